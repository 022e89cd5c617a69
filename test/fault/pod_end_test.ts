/**
 * Fault: the end of a pod is asked for more than once, in more than one way, and while something else is under way: three
 * TERMs, a reload at the same time, hooks that run twice, after TERM, or during a reload.
 *
 * Allowed outcome: each of them comes to an end within its bounds (docs/kubernetes.md), in both modes.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { deploy, fixtureCommand } from "../support/servers.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const OPTIONS = { timeout: TEST_TIMEOUT_MS };
/** Whatever is not to be waited for takes minutes, whatever is takes a part of a second. */
const LONG = ["--drain-time", "5m", "--stop-time", "5m"];
const SHORT = ["--min-drain", "300ms", "--quiet", "100ms"];
/** For what must not wait at all, on a busy machine. */
const BOUND_MS = 8_000;
const FIRST = "shutdown requested";

/** The server is what `target` says: a deploy of `hangs` makes a reload that does not end by itself. */
interface Deployed extends AsyncDisposable {
  readonly baton: Baton;
  readonly port: number;
  hangs(): void;
  bindsAfter(seconds: number): void;
}

async function start(dir: TempDir, flags: readonly string[]): Promise<Deployed> {
  const port = await freePort();
  const target = dir.join("target");
  const env = { PORT: String(port) };
  deploy(target, { command: fixtureCommand("node_http.js"), env });
  const baton = await startBaton({
    command: fixtureCommand("switch.sh"),
    env: { TARGET_FILE: target },
    flags,
  });
  return {
    baton,
    port,
    hangs: () => deploy(target, { command: fixtureCommand("hangs.js"), env: {} }),
    bindsAfter: (seconds) => {
      const command = [
        "sh",
        "-c",
        `sleep ${seconds}; exec "$@"`,
        "sh",
        ...fixtureCommand("node_http.js"),
      ];
      deploy(target, { command, env });
    },
    [Symbol.asyncDispose]: () => baton[Symbol.asyncDispose](),
  };
}

/** Ends in time, with 0. */
async function ends(baton: Baton, startedAt: number): Promise<void> {
  assert.deepEqual(await baton.exited, { code: 0, signal: null }, baton.stderr);
  assert.ok(performance.now() - startedAt < BOUND_MS, baton.stderr);
}

async function says(baton: Baton, what: string): Promise<void> {
  await waitUntil(() => baton.stderr.includes(what), { what: `${what}\n${baton.stderr}` });
}

async function busy({ baton }: Deployed): Promise<void> {
  await waitUntil(async () => (await baton.status()).generations[0]?.connections.busy === 1, {
    what: "a request is in flight",
  });
}

async function hasCandidate({ baton }: Deployed): Promise<void> {
  await waitUntil(async () => (await baton.status()).generations.length === 2, {
    what: "a candidate is on its way",
  });
}

describe("the end of a pod, asked for in odd ways", () => {
  for (const mode of ["--shutdown-only", "full"] as const) {
    const flags = [
      "--min-drain",
      "5m",
      "--quiet",
      "100ms",
      ...mode === "full" ? LONG : ["--shutdown-only", "--max-drain", "5m", "--stop-time", "5m"],
    ];

    test(
      `three TERMs, ${mode}: the third is the end, whatever was to be waited for`,
      OPTIONS,
      async () => {
        const env = { PORT: String(await freePort()) };
        await using baton = await startBaton({
          command: fixtureCommand("ignores_term.py"),
          env,
          flags,
        });
        const startedAt = performance.now();
        await waitUntil(async () => (await fetchStatus(env.PORT)) === 200, { what: "it serves" });
        for (const said of [FIRST, "second stop request"]) {
          baton.signal("SIGTERM");
          await says(baton, said);
        }
        baton.signal("SIGTERM");
        await baton.exited;
        assert.ok(performance.now() - startedAt < BOUND_MS, baton.stderr);
      },
    );
  }

  test(
    "new connections go on coming, full mode: what that takes beyond --min-drain is no drain time",
    OPTIONS,
    async () => {
      const env = { PORT: String(await freePort()) };
      const drainTimeMs = 600;
      const flags = ["--min-drain", "50ms", "--drain-time", `${drainTimeMs}ms`, "--quiet", "5m"];
      await using baton = await startBaton({
        command: fixtureCommand("ignores_term.py"),
        flags: [...flags, "--stop-time", "100ms", "--log-level", "debug"],
        env,
      });
      baton.signal("SIGTERM");
      await baton.exited;
      const spentMs = /"kind":"stop_requested","spentMs":([0-9.]+)/.exec(baton.stderr)?.[1];
      assert.ok(Number(spentMs) >= drainTimeMs / 2, baton.stderr);
    },
  );

  const FULL = [...SHORT, ...LONG];

  for (const first of ["the reload", "TERM"] as const) {
    test(
      `TERM and a reload that hangs, ${first} first: the request in flight ends, then all`,
      OPTIONS,
      async () => {
        using dir = tempDir();
        await using deployed = await start(dir, FULL);
        const { baton, port } = deployed;
        await using load = new Load({ port, path: "/slow?ms=1500", clients: 1, maxRequests: 1 })
          .start();
        await busy(deployed);
        deployed.hangs();
        const startedAt = performance.now();
        if (first === "TERM") baton.signal("SIGTERM");
        if (first === "TERM") await says(baton, FIRST);
        const reload = baton.reload();
        await hasCandidate(deployed);
        if (first === "the reload") baton.signal("SIGTERM");
        const report = await reload;
        assert.notEqual(report.result, "ok", JSON.stringify(report));
        await ends(baton, startedAt);
        const tally = await load.finished();
        assert.deepEqual([tally.ok, tally.lost], [1, 0], `${formatTally(tally)}\n${baton.stderr}`);
      },
    );
  }

  test(
    "TERM and reloads, --shutdown-only: they are refused, before it and after",
    OPTIONS,
    async () => {
      using dir = tempDir();
      await using deployed = await start(dir, ["--shutdown-only", ...SHORT, "--max-drain", "5m"]);
      const { baton, port } = deployed;
      await waitUntil(async () => (await fetchStatus(String(port))) === 200, { what: "it serves" });
      await using load = new Load({ port, path: "/slow?ms=1500", clients: 1, maxRequests: 1 })
        .start();
      await busy(deployed);
      const before = await baton.cli("reload");
      const startedAt = performance.now();
      baton.signal("SIGTERM");
      await says(baton, FIRST);
      for (const { code, stderr } of [before, await baton.cli("reload")]) {
        assert.equal(code, 75, stderr);
        assert.match(stderr, /--shutdown-only/);
      }
      await ends(baton, startedAt);
      const tally = await load.finished();
      assert.deepEqual([tally.ok, tally.lost], [1, 0], `${formatTally(tally)}\n${baton.stderr}`);
    },
  );

  test(
    "HUP three times during a reload: one more reload, and nothing is lost",
    OPTIONS,
    async () => {
      using dir = tempDir();
      await using deployed = await start(dir, SHORT);
      const { baton, port } = deployed;
      await using load = new Load({ port }).start();
      deployed.bindsAfter(1);
      baton.signal("SIGHUP");
      await hasCandidate(deployed);
      const heard = () => baton.stderr.match(/SIGHUP: reload/g)?.length ?? 0;
      for (let sent = 2; sent <= 4; sent++) {
        baton.signal("SIGHUP");
        await waitUntil(() => heard() === sent, { what: `HUP ${sent} is heard` });
      }
      assert.equal((await baton.status()).epoch, 0, "all of them came during the first reload");
      await waitUntil(async () => (await baton.status()).restarts.ok === 2, {
        what: "two reloads",
      });
      const { epoch, restarts } = await baton.settled();
      assert.deepEqual([epoch, restarts.ok, restarts.failed], [2, 2, 0], baton.stderr);
      const tally = await load.stop();
      assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
    },
  );

  test(
    "prestop during a reload that hangs, twice, then TERM, then prestop again",
    OPTIONS,
    async () => {
      using dir = tempDir();
      await using deployed = await start(dir, FULL);
      const { baton } = deployed;
      deployed.hangs();
      const reload = baton.reload();
      await hasCandidate(deployed);
      const startedAt = performance.now();
      const bounds = ["prestop", "--min", "1s", "--max", "5s"];
      for (const hook of await Promise.all([baton.cli(...bounds), baton.cli(...bounds)])) {
        assert.equal(hook.code, 0, `${hook.stderr}\n${baton.stderr}`);
        assert.match(hook.stdout, /"web" is drained/);
      }
      assert.equal((await baton.status()).generations[0]?.state, "serving", "it got no signal");
      baton.signal("SIGTERM");
      const late = baton.cli("prestop", "--min", "0", "--max", "1s", "--quiet", "0");
      assert.notEqual((await reload).result, "ok");
      await ends(baton, startedAt);
      // Of the baton that was ending; or of whatever listens here, if that had ended.
      assert.ok([0, 71, 124].includes((await late).code ?? -1), (await late).stderr);
      assert.ok(performance.now() - startedAt < BOUND_MS);
    },
  );
});

async function fetchStatus(port: string): Promise<number> {
  return (await fetch(`http://127.0.0.1:${port}/`)).status;
}
