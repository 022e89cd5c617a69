/**
 * The promise: a server that passes its listening sockets to its successor itself, behind baton's back, is recognized at
 * once, whatever it is. The reload fails with what to change, the generation that serves goes on serving, and where it
 * has stopped accepting already another one takes its place, and its queue.
 */
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { envoyConfig, envoyProgram } from "../support/envoy.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { findPython, fixture, required, which } from "../support/programs.ts";
import { IS_FULL } from "../support/repeats.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const CLIENTS = 3;
const ENOUGH_REQUESTS = 20;
const CURE =
  /it has generation 0's own socket at 127\.0\.0\.1:\d+ \(python3\S*, pid \d+\), passed to it behind baton's back: switch off what passes them/;
const PASSED = /it has generation 0's own sockets? at .*passed to it behind baton's back/;
let names = 0;

async function start(env: Record<string, string>, flags: readonly string[] = []) {
  const port = await freePort();
  const baton = await startBaton({
    command: [required("python3", findPython()), fixture("passes_sockets.py")],
    env: { PORT: String(port), NAME: `baton-passes-${process.pid}-${names++}`, ...env },
    // A reload that fails only then has not been recognized.
    flags: ["--ready-timeout", "60s", ...flags],
  });
  return { baton, port };
}

describe("a candidate that has got the listener of the generation that serves", () => {
  for (
    const [what, env] of [["and listens on it", { LISTENS: "1" }], ["and accepts", {}]] as const
  ) {
    test(`${what} fails at once, and no client is refused`, TEST, async () => {
      const { baton: started, port } = await start(env);
      await using baton = started;
      await using load = new Load({ port, clients: CLIENTS, timeoutMs: TEST.timeout }).start();
      await waitUntil(() => load.tally.ok >= ENOUGH_REQUESTS, { what: "it answers" });
      const { result, reason, doubt } = await baton.reload();
      assert.equal(result, "failed", `${reason}\n${baton.stderr}`);
      assert.match(
        doubt ?? "",
        /^$|^(one|\d) connections? that the failed one had accepted at its socket/,
      );
      assert.match(reason ?? "", CURE);
      const before = load.tally.ok;
      await waitUntil(() => load.tally.ok >= before + ENOUGH_REQUESTS, { what: "it answers on" });
      // One that the candidate had accepted ends with it.
      const { refused, timedOut } = await load.stop();
      assert.deepEqual([refused, timedOut], [0, 0], `${formatTally(load.tally)}\n${baton.stderr}`);
    });
  }
});

describe("after a candidate that has made the generation that serves", () => {
  const deaf: readonly (readonly [what: string, env: Record<string, string>])[] = [
    ["ignores its listener", { AFTER: "ignores" }],
    // Takes 2.5 s.
    ...IS_FULL
      ? [["ignores it, without an event loop", { AFTER: "ignores", POLL: "1" }] as const]
      : [],
    ["closes it", { AFTER: "closes" }],
  ];
  for (const [after, env] of deaf) {
    test(
      `deaf (it ${after}): that is said, and another one gets the queue`,
      TEST,
      async () => {
        const { baton: started, port } = await start(env);
        await using baton = started;
        const { code, stderr } = await baton.cli("reload");
        assert.equal(code, 70);
        assert.doesNotMatch(stderr, /nothing was lost/);
        assert.match(
          stderr,
          /generation 0 serves, but perhaps not as before: (perhaps )?(none of its|it has cl)/,
        );
        await using load = new Load({ port, clients: 1, maxRequests: 5, timeoutMs: TEST.timeout })
          .start();
        const tally = await load.finished();
        assert.deepEqual(
          [...tally.byVersion],
          [["3", 5]],
          `${formatTally(tally)}\n${baton.stderr}`,
        );
        assert.equal(tally.refused, 0);
      },
    );
  }

  test(
    "deaf (it shuts its listener down, so that clients are refused): it is replaced",
    TEST,
    async () => {
      const { baton: started, port } = await start({ AFTER: "shuts down" });
      await using baton = started;
      // Its look at who accepts has seen the descriptor, which stays.
      await using load = new Load({ port, clients: CLIENTS, timeoutMs: TEST.timeout }).start();
      await waitUntil(() => load.tally.ok >= ENOUGH_REQUESTS, { what: "it answers" });
      const { result, doubt } = await baton.reload();
      assert.equal(result, "failed", baton.stderr);
      assert.match(doubt ?? "", /it has closed its listener at 127/, baton.stderr);
      await waitUntil(() => (load.tally.byVersion.get("3") ?? 0) >= ENOUGH_REQUESTS, {
        what: "its replacement answers",
      });
    },
  );

  test("close one of its two listeners: it is replaced, though it is not deaf", TEST, async () => {
    const extra = await freePort();
    const { baton: started, port } = await start({ AFTER: "closes", EXTRA: String(extra) });
    await using baton = started;
    const { result, doubt } = await baton.reload();
    assert.equal(result, "failed", baton.stderr);
    assert.match(doubt ?? "", /^it has closed its listener at 127\S+$/, baton.stderr);
    await waitUntil(async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => null);
      return await answer?.text() === "version=3";
    }, { what: "its replacement answers" });
  });

  test("deaf long before it fails: that is said all the same", TEST, async () => {
    const { baton: started, port } = await start({ AFTER: "closes", GIVES_UP: "300" });
    await using baton = started;
    // A client that waits has shown it.
    await using load = new Load({ port, clients: CLIENTS, timeoutMs: TEST.timeout }).start();
    await waitUntil(() => load.tally.ok >= ENOUGH_REQUESTS, { what: "it answers" });
    const { result, doubt } = await baton.reload();
    assert.equal(result, "failed", baton.stderr);
    assert.match(doubt ?? "", /it has closed its listener at 127/, baton.stderr);
    await waitUntil(() => (load.tally.byVersion.get("3") ?? 0) >= ENOUGH_REQUESTS, {
      what: "its replacement answers",
    });
    assert.equal(load.tally.refused, 0, formatTally(load.tally));
  });

  test(
    "deaf, and has failed before it was recognized: clients that wait show it",
    TEST,
    async () => {
      const { baton: started, port } = await start({ AFTER: "ignores", FAILS: "1" });
      await using baton = started;
      const { reason } = await baton.reload();
      // On a busy machine it may have been recognized all the same.
      assert.match(
        reason ?? "",
        /exited before it was ready: exit status 3|generation 0's own socket/,
      );
      await using load = new Load({ port, clients: 1, maxRequests: 5, timeoutMs: TEST.timeout })
        .start();
      const tally = await load.finished();
      assert.deepEqual([...tally.byVersion], [["3", 5]], `${formatTally(tally)}\n${baton.stderr}`);
    },
  );

  test("end with 0: it takes over with the listener that it has got", TEST, async () => {
    const { baton: started, port } = await start({ AFTER: "exits" }, ["--on-crash", "exit"]);
    await using baton = started;
    await using load = new Load({ port, clients: CLIENTS, timeoutMs: TEST.timeout }).start();
    await waitUntil(() => load.tally.ok >= ENOUGH_REQUESTS, { what: "it answers" });
    const { result, epoch, reason } = await baton.reload();
    assert.deepEqual([result, epoch], ["ok", 1], `${reason}\n${baton.stderr}`);
    await waitUntil(() => (load.tally.byVersion.get("2") ?? 0) >= ENOUGH_REQUESTS, {
      what: "version 2 answers",
    });
    const tally = await load.stop();
    assert.deepEqual(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
  });

  test("end with 0, and fails: the end is no success", TEST, async () => {
    const env = { AFTER: "exits", FAILS: "1" };
    const { baton: started } = await start(env, ["--on-crash", "exit"]);
    await using baton = started;
    await baton.reload();
    // The candidate's status, or 70 where that was seen to fail first.
    const { code } = await baton.exited;
    assert.ok(code === 3 || code === 70, `${code}\n${baton.stderr}`);
  });
});

const ENVOY = envoyProgram();
const HAPROXY = which("haproxy");

/** `baton reload` of a server that `script` starts at `port`: it fails with `cure`, and the old one answers. */
async function failsAtOnce(
  dir: TempDir,
  port: number,
  script: string,
  { how, cure, flags = [], cutsNone = true }: {
    how: RegExp;
    cure: string;
    flags?: readonly string[];
    cutsNone?: boolean;
  },
): Promise<void> {
  const path = dir.join("start.sh");
  writeFileSync(path, `#!/bin/sh\n${script}`, { mode: 0o755 });
  await using baton = await startBaton({
    command: [path],
    env: {},
    flags: ["--ready-timeout", "60s", ...flags],
  });
  await waitUntil(async () => (await fetch(`http://127.0.0.1:${port}/`).catch(() => null))?.ok, {
    what: `it answers\n${baton.stderr}`,
  });
  await using load = new Load({ port, clients: CLIENTS, timeoutMs: TEST.timeout }).start();
  await waitUntil(() => load.tally.ok >= ENOUGH_REQUESTS, { what: "it answers" });
  const { result, reason } = await baton.reload();
  assert.equal(result, "failed", baton.stderr);
  assert.match(reason ?? "", how);
  assert.ok(reason?.includes(cure), String(reason));
  const before = load.tally.ok;
  await waitUntil(() => load.tally.ok >= before + ENOUGH_REQUESTS, { what: "it answers on" });
  const tally = await load.stop();
  // What a candidate has accepted ends with it.
  const { lost, reset, short } = tally;
  const cut = cutsNone ? lost : lost - reset - short;
  assert.equal(cut, 0, `${formatTally(tally)}\n${baton.stderr}`);
}

describe("the own mechanism of", () => {
  const envoys: readonly [what: string, options: string, how: RegExp][] = [
    ["its hot restart, where the command does not show it", "", /it looks for the Envoy before it/],
    ["the same with its sockets at another name", "--socket-path @$NAME", PASSED],
  ];
  for (const [what, options, how] of envoys) {
    test(`Envoy: ${what}`, { ...TEST, skip: ENVOY.skip }, async () => {
      using dir = tempDir("envoy");
      const [port, admin] = [await freePort(), await freePort()];
      const config = dir.join("envoy.json");
      writeFileSync(config, JSON.stringify(envoyConfig({ port, admin })));
      const base = 20_000 + process.pid % 100_000 * 10 + names++;
      // Envoy leaves it behind.
      using _file = {
        [Symbol.dispose]: () => rmSync(`/dev/shm/envoy_shared_memory_${base}0`, { force: true }),
      };
      const script = `OWN=--restart-epoch NAME=baton-${base}\nexec ${ENVOY.path} -c ${config} ` +
        `--base-id ${base} ${options} --concurrency 2 -l error $OWN $RESTART_EPOCH\n`;
      await failsAtOnce(dir, port, script, { how, cure: "--disable-hot-restart" });
    });
  }

  test("HAProxy: -x, where baton leaves its Unix socket alone", {
    ...TEST,
    skip: HAPROXY === null ? "haproxy is not installed" : false,
  }, async () => {
    using dir = tempDir("haproxy");
    const port = await freePort();
    const socket = dir.join("s");
    writeFileSync(dir.join("haproxy.cfg"), haproxyConfig(port, socket));
    const start = `exec ${HAPROXY} -db -f ${dir.join("haproxy.cfg")}`;
    const script = `[ $RESTART_EPOCH = 0 ] && ${start}\n${start} -x ${socket}\n`;
    await failsAtOnce(dir, port, script, {
      how: PASSED,
      cure: "without -x",
      flags: ["--unix", "leave"],
      cutsNone: false,
    });
  });
});

const haproxyConfig = (port: number, socket: string) => `
global
  stats socket ${socket} expose-fd listeners
defaults
  mode http
  timeout client 5s
frontend f
  bind 127.0.0.1:${port}
  http-request return status 200 content-type text/plain string "version=1 pid=1"
`;
