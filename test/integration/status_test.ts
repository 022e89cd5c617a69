/** The promise: `baton status` tells all there is to know, to people and to programs. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { renameSync } from "node:fs";
import { createServer } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import { batonCommand, runCommand, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { children } from "../support/proc.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";
import { inFlight, send, server, serving } from "../support/controlled.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };

const EXIT_USAGE = 64;

const EXIT_SYSTEM = 71;

const ISO_8601 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

describe("baton status", () => {
  test("--json tells everything there is", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    await using load = await inFlight(baton, port, 1_500);
    const { code, stdout, stderr } = await baton.cli("status", "--json");
    assert.equal(code, 0, stderr);
    assert.equal(stderr, "");
    const { startedAt, generations, self, ...rest } = JSON.parse(stdout);
    const [first] = generations;
    assert.deepEqual(rest, {
      name: "web",
      version: "0.1.0",
      pid: baton.pid,
      epoch: 0,
      incarnation: 0,
      command: server(port).command,
      helpers: [],
      listeners: [{
        address: `127.0.0.1:${port}`,
        mode: "adopt",
        origin: null,
        members: [{ epoch: 0, worker: 0, backlog: 0, receiving: true, dialed: null }],
      }],
      workers: { configured: 1, wanted: 1 },
      restarts: { ok: 0, failed: 0, crashes: 0 },
      lastReload: null,
      order: "start-first",
      orderReason: "nothing is known against a second copy",
      duplicates: "getfd",
      drainCalls: { ok: 0, failed: 0, lastFailure: null },
      fronts: [],
      trial: null,
    });
    assert.deepEqual(generations, [{
      epoch: 0,
      state: "serving",
      outcome: null,
      reason: null,
      pid: children(baton.pid)[0],
      startedAt: first.startedAt,
      connections: { total: 1, busy: 1, idle: 0, undecided: 0 },
      connectionsCut: 0,
      connectionsUndecided: 0,
      takesConnections: false,
      checks: [],
      stateMs: first.stateMs,
      leftMs: null,
      drain: null,
      drainCalls: [],
      workers: [{
        number: 0,
        state: "serving",
        pid: first.pid,
        startedAt: first.workers[0].startedAt,
        connections: { total: 1, busy: 1, idle: 0, undecided: 0 },
        restarts: 0,
      }],
    }]);
    assert.match(startedAt, ISO_8601);
    assert.match(first.startedAt, ISO_8601);
    assert.ok(first.stateMs >= 0, String(first.stateMs));
    assert.ok(self.watches > 0);
    assert.equal((await load.finished()).lost, 0);
  });

  test("--json tells of a reload that went well, and of the generation before", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    const old = await serving(baton);
    assert.equal((await baton.cli("reload")).code, 0);
    const { lastReload, generations, restarts } = await baton.settled();
    const { durationMs, phases, ...verdict } = lastReload ?? {};
    assert.deepEqual(verdict, {
      epoch: 1,
      result: "ok",
      reason: null,
      replaced: 0,
      failedIn: null,
      connectionsCut: 0,
      connectionsUndecided: 0,
      connectionsKept: null,
      connections: { finished: 0, cut: 0, undecided: 0, moved: 0 },
      late: [],
      held: null,
      restored: null,
      sharedFiles: [],
      doubt: null,
    });
    // On a busy machine the request waits for a moment.
    const steps = phases?.filter(({ phase }) => phase !== "queued");
    assert.deepEqual(steps?.map(({ phase, epoch }) => `${phase} ${epoch}`), [
      "starting 1",
      "probing 1",
      "draining 0",
      "stopping 0",
    ]);
    assert.ok((durationMs ?? 0) > 0);
    assert.deepEqual(restarts, { ok: 1, failed: 0, crashes: 0 });
    assert.deepEqual(generations.map(({ epoch, state, outcome }) => [epoch, state, outcome]), [
      [0, "exited", "superseded"],
      [1, "serving", null],
    ]);
    assert.equal(generations[0]?.pid, old.pid);
  });

  test("--json tells of sockets that baton made, and their queue", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton({
      command: fixtureCommand("inherit_fd.js"),
      env: {},
      flags: ["--listen", `web=127.0.0.1:${port}`],
    });
    const { listeners } = await baton.status();
    assert.deepEqual(listeners, [{
      address: `127.0.0.1:${port}`,
      mode: "inherit",
      origin: null,
      members: [{ epoch: 0, worker: 0, backlog: 0, receiving: true, dialed: null }],
    }]);
    const { pid } = await serving(baton);
    process.kill(pid ?? 0, "SIGSTOP"); // It accepts no more.
    await using load = send(port, "/");
    await waitUntil(async () => (await baton.status()).listeners[0]?.members[0]?.backlog === 1, {
      what: "the connection that waits is counted",
    });
    process.kill(pid ?? 0, "SIGCONT");
    assert.equal((await load.finished()).lost, 0);
  });

  test("counts the connections that a drain had to cut", TEST, async () => {
    const port = await freePort();
    const flags = ["--drain-time", "300ms"];
    await using baton = await startBaton({ ...server(port), flags });
    await using load = await inFlight(baton, port, 30_000);
    assert.equal((await baton.cli("reload")).code, 0);
    const { lastReload } = await baton.settled();
    assert.equal(lastReload?.connectionsCut, 1);
    assert.equal((await load.finished()).lost, 1);
    const { stdout } = await baton.cli("status");
    assert.match(stdout, /^last reload: ok in \d+ ms, 1 connections cut, 0 undecided$/m);
  });

  test("is a table that people can read", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    await baton.cli("reload");
    await baton.settled();
    const { code, stdout, stderr } = await baton.cli("status", "web");
    assert.equal(code, 0, stderr);
    const pid = baton.pid;
    const [old, now] = (await baton.status()).generations.map(({ pid }) => String(pid));
    const width = Math.max(3, old?.length ?? 0, now?.length ?? 0);
    const column = (text = "") => text.padEnd(width);
    const listener = `127.0.0.1:${port}`;
    const lines = stdout.trimEnd().split("\n")
      .map((line) => line.replace(/\b\d+s(?=\)| )/g, "1s").replace(/\d+ ms/g, "9 ms"));
    assert.deepEqual(lines, [
      `web: generation 1 serves (baton 0.1.0, pid ${pid}, up 1s)`,
      "reloads: 1 ok, 0 failed; crashes: 0",
      "last reload: ok in 9 ms, 0 connections cut, 0 undecided",
      "  starting 9 ms, probing 9 ms; generation 0: draining 9 ms, stopping 9 ms; " +
      "connections: 0 finished, 0 cut, 0 undecided, 0 moved",
      "",
      `EPOCH  STATE    OUTCOME     ${column("PID")}  AGE  BUSY  IDLE  UNDECIDED  REASON`,
      `0      exited   superseded  ${column(old)}  1s   0     0     0`,
      `1      serving  -           ${column(now)}  1s   0     0     0`,
      "",
      `${"LISTENER".padEnd(listener.length)}  MODE   EPOCH  RECEIVING  BACKLOG`,
      `${listener}  adopt  1      yes        0`,
    ]);
  });

  test("finds the only service; says which there are when it is not clear", TEST, async () => {
    using directory = tempDir();
    const words = ["status", "--runtime-dir", directory.path];
    const none = await runCommand([...batonCommand(), ...words]);
    assert.equal(none.code, EXIT_SYSTEM);
    assert.match(
      none.stderr,
      /Cannot find a running baton: no control socket in .*\n {2}Start one/,
    );

    await using baton = await startBaton(server(await freePort()));
    assert.equal((await baton.cli("status")).code, 0);
    const wrong = await baton.cli("status", "wbe");
    assert.equal(wrong.code, EXIT_SYSTEM);
    assert.match(wrong.stderr, /Cannot reach "wbe".*\n {2}Services in .*: web$/m);
    await using api = createServer().listen(baton.dir.join("api.sock"));
    await once(api, "listening");
    const unclear = await baton.cli("status");
    assert.equal(unclear.code, EXIT_USAGE);
    assert.match(unclear.stderr, /Cannot tell which service is meant: api, web are running/);
  });

  test("a killed baton is not among those that run", TEST, async () => {
    await using killed = await startBaton(server(await freePort()));
    const { dir } = killed;
    killed.signal("SIGKILL");
    await killed.exited;
    // The only one is asked all the same: the answer says more than "there is none".
    const dead = await killed.cli("status");
    assert.equal(dead.code, EXIT_SYSTEM);
    assert.match(dead.stderr, /Cannot reach "web": nothing listens at .*web\.sock\n/);

    renameSync(killed.socketPath, dir.join("old.sock"));
    const port = await freePort();
    await using baton = await startBaton({ ...server(port), dir });
    const only = await baton.cli("status");
    assert.equal(only.code, 0, only.stderr);
    assert.match(only.stdout, new RegExp(`pid ${baton.pid}`));
    const old = await baton.cli("status", "old");
    assert.match(
      old.stderr,
      /Cannot reach "old": nothing listens at .*\n {2}Services in .*: web$/m,
    );
    const drained = await baton.cli("prestop", "--min", "0", "--max", "10s");
    assert.match(drained.stdout, /"web" is/, drained.stderr);

    baton.signal("SIGKILL");
    await baton.exited;
    const none = await baton.cli("status");
    assert.equal(none.code, EXIT_SYSTEM);
    assert.match(none.stderr, /Cannot find a running baton: nothing listens at .* of old, web\n/);
  });
});
