/**
 * The promise: behind a front each generation and worker of an unmodified server has a private address, which the endpoint
 * file names; what holds for a service at one address (reloads, crashes, workers, upgrades, takeovers) holds there as well.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { endpointsIn, FakeFront } from "../support/fake_front.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { alive, killTree } from "../support/proc.ts";
import { findPython } from "../support/programs.ts";
import { IS_FULL, repeats } from "../support/repeats.ts";
import { fixtureCommand, type Runnable } from "../support/servers.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const timeout = TEST_TIMEOUT_MS;
const RELOADS = repeats({ full: 10, quick: 1 });
const ONLY_FULL = { timeout, skip: !IS_FULL && "only with BATON_TEST_FULL=1" };
const SOME = 20;

interface Service extends AsyncDisposable {
  readonly baton: Baton;
  readonly port: number;
  readonly file: string;
  readonly front: FakeFront;
  readonly load: Load;
  /** Ends the load. */
  lostNone(): Promise<void>;
}

/** A server that is asked to listen at `port`, a fake front before it, and clients of that. */
async function service(
  work: TempDir,
  server: (port: number) => Runnable,
  flags: readonly string[] = [],
): Promise<Service> {
  const port = await freePort();
  const file = work.join("eds.yaml");
  const front = await FakeFront.before(file);
  const baton = await startBaton({ ...server(port), flags: ["--front", `eds:${file}`, ...flags] });
  const load = new Load({ port: front.port, clients: 4, sources: [] });
  await waitUntil(() => front.healthy.length > 0, { what: `an endpoint\n${baton.stderr}` });
  load.start();
  return {
    baton,
    port,
    file,
    front,
    load,
    lostNone: async () => {
      const tally = await load.stop();
      assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
    },
    [Symbol.asyncDispose]: async () => {
      await load.stop();
      await baton[Symbol.asyncDispose]();
      await front[Symbol.asyncDispose]();
    },
  };
}

function node(port: number, host = "127.0.0.1"): Runnable {
  return { command: fixtureCommand("node_http.js"), env: { PORT: String(port), HOST: host } };
}

function refuses(port: number, host = "127.0.0.1"): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host });
    socket.once("connect", () => {
      socket.destroy();
      resolve(false);
    });
    socket.once("error", () => resolve(true));
  });
}

async function reloaded(baton: Baton): Promise<void> {
  const report = await baton.reload();
  assert.equal(report.result, "ok", `${report.reason}\n${report.output.join("\n")}`);
}

/** Private addresses of the members of one generation, as `baton status` shows them. */
async function dialed({ baton }: Service, epoch: number): Promise<(string | null)[]> {
  const { listeners } = await baton.status();
  return listeners.flatMap(({ members }) => members)
    .filter((member) => member.epoch === epoch).map((member) => member.dialed);
}

/** Waits until exactly these many get new connections. */
async function healthy({ front, baton }: Service, count: number): Promise<string[]> {
  return await waitUntil(() => {
    const found = front.healthy.map(({ at }) => at);
    return found.length === count ? found : null;
  }, { what: `${count} endpoints get connections\n${baton.stderr}` });
}

describe("private addresses behind a front", () => {
  for (const host of IS_FULL ? ["127.0.0.1", "::", "::1"] : ["::1"]) {
    test(`node at ${host}: ${RELOADS} reloads lose nothing`, { timeout }, async () => {
      using work = tempDir();
      const told = work.join("told");
      const asked = [
        ["--ready", "http:/"],
        [
          "--ready",
          `exec:test -n "$BATON_CHECK_ADDRESS" && echo "$BATON_CHECK_ADDRESS" >${told}.check`,
        ],
        ["--hook", `ready=echo "$BATON_OLD_ADDRESS $BATON_ADDRESS" >${told}.hook`],
      ];
      await using app = await service(work, (port) => node(port, host), asked.flat());
      let [before] = await healthy(app, 1);
      for (let epoch = 1; epoch <= RELOADS; epoch++) {
        await app.load.answersMore(SOME);
        await reloaded(app.baton);
        const [at] = await healthy(app, 1);
        assert.match(at!, new RegExp(`^127\\.\\d+\\.${epoch}\\.1:${app.port}$`));
        assert.deepEqual(await dialed(app, epoch), [at]);
        assert.equal(readFileSync(`${told}.check`, "utf8"), `${at}\n`);
        assert.equal(readFileSync(`${told}.hook`, "utf8"), `${before} ${at}\n`);
        before = at;
        await app.baton.settled();
        await waitUntil(() => endpointsIn(app.file).length === 1, { what: "the old one is gone" });
      }
      assert.ok(await refuses(app.port), "nothing listens at the public address");
      await app.lostNone();
      assert.equal((await app.baton.stop()).code, 0, app.baton.stderr);
    });
  }

  test("who waits when a server is killed is answered by the next one", { timeout }, async () => {
    using work = tempDir();
    await using app = await service(work, node, ["--on-crash", "restart", "--crash-delay", "10ms"]);
    const [before] = await healthy(app, 1);
    await app.load.stop();
    const { generations: [{ pid } = { pid: null }] } = await app.baton.status();
    process.kill(pid!, "SIGSTOP");
    const waiting = Array.from(
      { length: 3 },
      () => fetch(`http://127.0.0.1:${app.front.port}/`).then((response) => response.text()),
    );
    await waitUntil(
      async () => (await app.baton.status()).listeners[0]?.members[0]?.backlog === waiting.length,
      { what: "they wait" },
    );
    process.kill(pid!, "SIGKILL");
    for (const answer of await Promise.all(waiting)) {
      assert.doesNotMatch(answer, RegExp(`=${pid} `));
    }
    assert.deepEqual(await healthy(app, 1), [before], "the replacement has the socket");
  });

  test("workers come, go and die as endpoints", { timeout }, async () => {
    using work = tempDir();
    await using app = await service(work, node, ["--workers", "2"]);
    const two = await healthy(app, 2);
    assert.equal(new Set(two).size, 2);
    await app.load.answersMore(SOME);
    const scale = async (count: number) => {
      const done = await app.baton.cli("scale", String(count));
      assert.equal(done.code, 0, done.stderr);
      return await healthy(app, count);
    };
    assert.equal(new Set([...await scale(3), ...two]).size, 3);
    await app.load.answersMore(SOME);
    await scale(1);
    await app.load.answersMore(SOME);
    await reloaded(app.baton);
    await app.load.answersMore(SOME);
    await app.lostNone();
  });

  test("a server that gets its socket from baton", {
    timeout,
    skip: findPython() === null && "python3 is not installed",
  }, async () => {
    using work = tempDir();
    const port = await freePort();
    const server = () => ({ command: fixtureCommand("inherit_fd.js"), env: {} });
    await using app = await service(work, server, ["--listen", `127.0.0.1:${port}`]);
    await app.load.answersMore(SOME);
    await reloaded(app.baton);
    const [at] = await healthy(app, 1);
    assert.match(at!, new RegExp(`\\.1\\.1:${port}$`));
    await app.load.answersMore(SOME);
    assert.ok(await refuses(port));
    await app.lostNone();
  });

  test("of two ports the first is behind the front, and the other where it was", {
    timeout,
  }, async () => {
    using work = tempDir();
    const other = await freePort();
    const server = (port: number) => ({
      command: fixtureCommand("two_ports.js"),
      env: { PORT: String(port), PORT2: String(other) },
    });
    await using app = await service(work, server);
    await reloaded(app.baton);
    await app.load.answersMore(SOME);
    assert.deepEqual([await refuses(app.port), await refuses(other)], [true, false]);
    await app.lostNone();
  });

  test("Envoys of other hosts dial one address, at ports of the kernel's choice", {
    timeout,
  }, async () => {
    using work = tempDir();
    const file = work.join("eds.yaml");
    const port = await freePort();
    await using front = await FakeFront.before(file);
    await using baton = await startBaton({
      ...node(port),
      flags: ["--front", `eds:${file},address=127.0.0.2`],
    });
    const [first] = await waitUntil(() => front.healthy.length > 0 && front.healthy, {
      what: `an endpoint\n${baton.stderr}`,
    });
    await reloaded(baton);
    const [second] = front.healthy;
    assert.deepEqual([first?.host, second?.host], ["127.0.0.2", "127.0.0.2"]);
    assert.equal(new Set([first?.port, second?.port, port]).size, 3);
  });
});

describe("a server that must not run twice", () => {
  test("clients wait in a queue that is an endpoint meanwhile", ONLY_FULL, async () => {
    using work = tempDir();
    await using app = await service(work, node, ["--order", "stop-first"]);
    for (let reload = 0; reload < RELOADS; reload++) {
      await app.load.answersMore(SOME);
      await reloaded(app.baton);
      await healthy(app, 1);
    }
    await app.load.answersMore(SOME);
    await app.lostNone();
  });
});

describe("baton itself, behind a front", () => {
  for (const way of IS_FULL ? ["child", "in place"] : ["child"]) {
    test(`an upgrade, ${way}: the endpoints stay, and nothing is lost`, { timeout }, async () => {
      using work = tempDir();
      await using app = await service(work, node);
      await reloaded(app.baton);
      await app.baton.settled();
      const before = await healthy(app, 1);
      const { pid } = await app.baton.status();
      const done = await app.baton.cli("upgrade", ...way === "child" ? [] : ["--in-place"]);
      assert.equal(done.code, 0, `${done.stderr}\n${app.baton.stderr}`);
      const now = await waitUntil(async () => {
        const { incarnation, pid: next } = await app.baton.status();
        return (incarnation > 0 || next !== pid) && next;
      }, { what: "the next baton answers" });
      try {
        assert.equal(now === pid, way === "in place");
        if (now !== pid) await waitUntil(() => !alive(pid), { what: "the old baton has ended" });
        await app.load.answersMore(SOME);
        if (way === "in place") assert.deepEqual(await healthy(app, 1), before);
        await reloaded(app.baton);
        await app.load.answersMore(SOME);
        await app.lostNone();
      } finally {
        // The next one is no child of ours.
        const stopped = await app.baton.cli("stop");
        assert.equal(stopped.code, 0, stopped.stderr);
        if (now !== pid && alive(now)) killTree(now);
      }
    });
  }

  test("a takeover by another baton, with a front of its own", { timeout }, async () => {
    using work = tempDir();
    const socket = work.join("handoff");
    await using app = await service(work, node, ["--handoff-socket", socket]);
    await app.load.answersMore(SOME);
    const before = await healthy(app, 1);
    await using next = await startBaton({
      ...node(app.port),
      flags: ["--front", `eds:${app.file}`, "--takeover", socket],
    });
    await app.baton.exited;
    await app.load.answersMore(SOME);
    await reloaded(next);
    await app.load.answersMore(SOME);
    assert.notDeepEqual(await healthy(app, 1), before);
    await app.lostNone();
  });

  test(
    "a baton that is killed leaves the endpoints, and the next one goes on with them",
    ONLY_FULL,
    async () => {
      using work = tempDir();
      await using app = await service(work, node, ["--survive"]);
      const before = await healthy(app, 1);
      const { pid } = await app.baton.status();
      process.kill(pid, "SIGKILL");
      await waitUntil(() => !alive(pid), { what: "baton has ended" });
      await app.load.answersMore(SOME);
      const options = { ...node(app.port), dir: app.baton.dir };
      await using next = await startBaton({
        ...options,
        flags: ["--front", `eds:${app.file}`, "--survive"],
      });
      await app.load.answersMore(SOME);
      assert.deepEqual(await healthy(app, 1), before);
      await reloaded(next);
      await app.load.answersMore(SOME);
      assert.notDeepEqual(await healthy(app, 1), before);
      await app.lostNone();
      assert.equal((await next.stop()).code, 0, next.stderr);
    },
  );
});
