/**
 * The promise: a server that crashes is started again, and nobody is refused meanwhile. Connections that wait
 * in the queue of the dead server are answered by its heir; lost is only what it had in hand, at most one request
 * a client. A server that keeps crashing is given more and more time, and is given up in the end.
 */
import assert from "node:assert/strict";
import { chmodSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load, type Tally } from "../support/load.ts";
import { alive, children, commandLine } from "../support/proc.ts";
import { findNode, required } from "../support/programs.ts";
import { fixtureCommand, type Runnable } from "../support/servers.ts";
import { servingPid } from "../support/serving_pid.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";
import {
  allAnswered,
  backlog,
  broken,
  kill,
  node,
  serves,
  start,
  waiting,
} from "../support/crashing.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };

const CLIENTS = 8;

const ENOUGH_REQUESTS = 20;

const WAITING = 5;

/** Listens at once, and is ready after `ms`. */
function notifying(port: number, version: string, ms: number): Runnable {
  return {
    command: fixtureCommand("sd_notify.py"),
    env: { PORT: String(port), VERSION: version, MS: String(ms), PYTHONDONTWRITEBYTECODE: "1" },
  };
}

/** A request waits for as long as the next generation takes to start. */
function loadOn(port: number): Load {
  const limits = { timeoutMs: TEST.timeout };
  return new Load({ port, clients: CLIENTS, ...limits }).start();
}

/** Waits until these requests of the load were answered by `pid`. */
async function answeredBy(load: Load, pid: number): Promise<void> {
  await waitUntil(() => (load.tally.byBody.get(pid) ?? 0) >= ENOUGH_REQUESTS, {
    what: `process ${pid} answers: ${formatTally(load.tally)}`,
    deadlineMs: 30_000,
  });
}

/** Lost is what the dead processes had in hand, and nobody was refused. */
function onlyInFlightLost(tally: Tally, baton: Baton, crashes = 1): void {
  const line = `${formatTally(tally)}\n${baton.stderr}`;
  assert.equal(tally.refused, 0, line);
  assert.equal(tally.timedOut, 0, line);
  assert.equal(tally.unexpected + tally.other, 0, line);
  assert.ok(tally.reset + tally.short <= CLIENTS * crashes, line);
}

describe("a server that is killed", () => {
  test("under load is started again; nobody is refused, only what it had in hand is lost", {
    ...TEST,
  }, async () => {
    const CRASHES = 3;
    const port = await freePort();
    await using baton = await startBaton({ ...node(port), flags: ["--crash-delay", "50ms"] });
    await using load = loadOn(port);
    for (let crash = 1; crash <= CRASHES; crash++) {
      const pid = servingPid(await baton.settled());
      await answeredBy(load, pid);
      kill(pid);
      const after = await serves(baton, crash);
      assert.equal(alive(pid), false);
      assert.notEqual(servingPid(after), pid);
      assert.equal(after.pid, baton.pid);
      assert.deepEqual(after.restarts, { ok: 0, failed: 0, crashes: crash });
      const dead = after.generations.find(({ epoch }) => epoch === crash - 1);
      assert.deepEqual([dead?.outcome, dead?.reason], ["crashed", "killed by SIGKILL"]);
      await answeredBy(load, servingPid(after));
    }
    const tally = await load.stop();
    onlyInFlightLost(tally, baton, CRASHES);
    process.stderr.write(`  ${formatTally(tally).split("\n")[0]}\n`);
    assert.equal((await baton.stop()).code, 0, baton.stderr);
  });

  for (const mode of ["adopt", "inherit"] as const) {
    test(`${mode}: the connections that wait are answered by its heir`, TEST, async () => {
      const port = await freePort();
      const options = mode === "adopt" ? { ...node(port) } : {
        command: fixtureCommand("inherit_fd.js"),
        env: {},
        flags: ["--listen", `127.0.0.1:${port}`],
      };
      await using baton = await startBaton(options);
      await using load = await waiting(baton, port);
      kill(servingPid(await baton.status()));
      await allAnswered(load, baton);
      const heir = servingPid(await serves(baton, 1));
      assert.deepEqual([...load.tally.byBody], [[heir, WAITING]]);
      const { members = [] } = (await baton.status()).listeners[0] ?? {};
      const there = { epoch: 1, worker: 0, backlog: 0, receiving: true, dialed: null };
      assert.deepEqual(members, [there]);
    });
  }

  test("a leader alone, whose children live on: they end with it", TEST, async () => {
    using work = tempDir();
    const port = await freePort();
    const words = fixtureCommand("node_http.js").map((word) => `'${word}'`).join(" ");
    const script = work.write("leader.sh", `#!/bin/sh\n${words}\nexit $?\n`);
    chmodSync(script, 0o755);
    await using baton = await startBaton({ ...node(port), command: [script] });
    await using load = loadOn(port);
    const leader = servingPid(await baton.settled());
    const [child = 0] = children(leader);
    assert.match(commandLine(child).join(" "), /node_http\.js/);
    await answeredBy(load, child);
    kill(leader);
    const heir = servingPid(await serves(baton, 1));
    assert.deepEqual([alive(leader), alive(child)], [false, false]);
    await answeredBy(load, children(heir)[0] ?? 0);
    onlyInFlightLost(await load.stop(), baton);
  });
});

describe("a crash during a reload", () => {
  test("the candidate has not listened yet: it becomes the heir", TEST, async () => {
    using work = tempDir();
    const port = await freePort();
    const { baton: started, deploy } = await start(work, node(port));
    await using baton = started;
    const words = fixtureCommand("node_http.js");
    const env = { PORT: String(port), VERSION: "2" };
    const go = work.join("go");
    const hold = 'until [ -e "$0" ]; do sleep 0.05; done; exec "$@"';
    deploy({ command: ["sh", "-c", hold, go, ...words], env });
    const report = baton.reload();
    await waitUntil(async () => (await baton.status()).generations.length === 2, {
      what: "the candidate starts",
    });
    await using load = await waiting(baton, port);
    kill(servingPid(await baton.status()));
    await waitUntil(async () => (await baton.status()).epoch === null, { what: "it is noticed" });
    assert.equal(backlog(await baton.status()), WAITING, "they wait on");
    work.write("go", "");
    const { result, epoch, reason } = await report;
    assert.deepEqual([result, epoch], ["ok", 1], `${reason}\n${baton.stderr}`);
    await allAnswered(load, baton);
    const snapshot = await serves(baton, 1);
    assert.deepEqual([...load.tally.byVersion], [["2", WAITING]]);
    assert.deepEqual([...load.tally.byBody.keys()], [servingPid(snapshot)]);
    assert.deepEqual(snapshot.generations[0]?.outcome, "crashed");
  });

  test("the candidate listens already: a fresh one of the same version is the heir", {
    ...TEST,
  }, async () => {
    using work = tempDir();
    const port = await freePort();
    const flags = ["--ready", "notify"];
    const { baton: started, deploy } = await start(work, notifying(port, "1", 50), flags);
    await using baton = started;
    deploy(notifying(port, "2", 1_500));
    const report = baton.reload();
    await waitUntil(async () => (await baton.status()).generations[1]?.state === "probing", {
      what: "the candidate listens",
    });
    await using load = await waiting(baton, port);
    kill(servingPid(await baton.status()));
    const { result, epoch, reason } = await report;
    assert.deepEqual([result, epoch], ["ok", 2], `${reason}\n${baton.stderr}`);
    await allAnswered(load, baton);
    await serves(baton, 2);
    assert.deepEqual([...load.tally.byVersion], [["2", WAITING]]);
  });

  test("under load nobody is refused", TEST, async () => {
    using work = tempDir();
    const port = await freePort();
    const { baton: started, deploy } = await start(work, node(port));
    await using baton = started;
    await using load = loadOn(port);
    const pid = servingPid(await baton.settled());
    await answeredBy(load, pid);
    deploy(node(port, "2"));
    const report = baton.reload();
    await waitUntil(async () => (await baton.status()).generations.length === 2, {
      what: "the candidate starts",
    });
    kill(pid);
    const { result, reason } = await report;
    assert.equal(result, "ok", `${reason}\n${baton.stderr}`);
    await waitUntil(() => (load.tally.byVersion.get("2") ?? 0) >= ENOUGH_REQUESTS, {
      what: `version 2 answers\n${baton.stderr}`,
    });
    onlyInFlightLost(await load.stop(), baton);
  });
});

describe("an heir that fails", () => {
  test("before it listens: the connections wait for the next one", TEST, async () => {
    using work = tempDir();
    const port = await freePort();
    const flags = ["--crash-delay", "200ms"];
    const { baton: started, deploy } = await start(work, node(port), flags);
    await using baton = started;
    await using load = await waiting(baton, port);
    deploy(broken("exits_at_once.js", port));
    kill(servingPid(await baton.status()));
    await waitUntil(() => /generation 2 failed/.test(baton.stderr), { what: "two heirs fail" });
    assert.equal(backlog(await baton.status()), WAITING, "they wait on");
    deploy(node(port, "2"));
    await allAnswered(load, baton);
    assert.deepEqual([...load.tally.byVersion], [["2", WAITING]]);
  });

  test("after it has listened: what it has not accepted waits for the next one", {
    ...TEST,
  }, async () => {
    using work = tempDir();
    const port = await freePort();
    const flags = ["--crash-delay", "200ms", "--ready", "notify"];
    const { baton: started, deploy } = await start(work, notifying(port, "1", 50), flags);
    await using baton = started;
    await using load = loadOn(port);
    const pid = servingPid(await baton.settled());
    await answeredBy(load, pid);
    deploy(broken("dies_in_gate.js", port));
    kill(pid);
    await waitUntil(() => /generation 2 failed.*exit status 5/.test(baton.stderr), {
      what: `two heirs fail\n${baton.stderr}`,
    });
    deploy(notifying(port, "2", 50));
    await waitUntil(() => (load.tally.byVersion.get("2") ?? 0) >= ENOUGH_REQUESTS, {
      what: `version 2 answers: ${formatTally(load.tally)}\n${baton.stderr}`,
    });
    const { epoch } = await baton.settled();
    onlyInFlightLost(await load.stop(), baton, epoch ?? 0);
  });
});

/** Listens at $PORT2, which the version before it did not, and ends. */
const OPENS_ANOTHER = `
const listen = () => process.exit(3);
require("node:net").createServer().listen(Number(process.env.PORT2), "127.0.0.1", listen);
`;

test("what only an heir that failed has opened is not asked of the next one", TEST, async () => {
  using work = tempDir();
  const [port, second] = [await freePort(), await freePort()];
  const { baton: started, deploy } = await start(work, node(port), ["--crash-delay", "200ms"]);
  await using baton = started;
  const env = { PORT2: String(second) };
  deploy({ command: [required("node", findNode()), "-e", OPENS_ANOTHER], env });
  kill(servingPid(await baton.status()));
  await waitUntil(() => /generation 2 failed/.test(baton.stderr), { what: "two heirs fail" });
  deploy(node(port, "2"));
  const { epoch, listeners } = await waitUntil(async () => {
    const snapshot = await baton.status();
    return snapshot.generations.some(({ state }) => state === "serving") && snapshot;
  }, { what: `it serves again\n${baton.stderr}` });
  assert.ok(epoch !== null && epoch > 2);
  assert.deepEqual(listeners.map(({ address }) => address), [`127.0.0.1:${port}`]);
});
