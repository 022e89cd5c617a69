/**
 * The promise: a running baton says what it does, does what it is told, and its exit status is an interface.
 * `status`, `reload`, `stop`, `--help`, pidfile, logs, signals, and every way `baton run` can end.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { createServer } from "node:net";
import { constants } from "node:os";
import process from "node:process";
import { describe, test } from "node:test";
import type { Snapshot } from "../../src/report/snapshot.ts";
import {
  Baton,
  batonCommand,
  type BatonOptions,
  runCommand,
  startBaton,
} from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { alive, children, killTree, listeners } from "../support/proc.ts";
import { findNode, findPython, fixture, required } from "../support/programs.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const INSPECTOR_PORT = 9229;
const EXIT_USAGE = 64;
const EXIT_SYSTEM = 71;
const EXIT_BUSY = 75;
const EXIT_TIMED_OUT = 124;
const VERBS = ["run", "reload", "status", "stop", "doctor", "help", "version"];
const ISO_8601 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

const IN_NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];
/** Where baton is, and what brings it and its client there. */
const NAMESPACES: readonly [where: string, inside: string[], outside: string[]][] = [
  ["in a PID namespace below ours", IN_NAMESPACE, []],
  ["in a PID namespace that we cannot see into", [], IN_NAMESPACE],
];

function cannotUnshare(): string | false {
  try {
    execFileSync(IN_NAMESPACE[0] ?? "", [...IN_NAMESPACE.slice(1), "true"], { stdio: "ignore" });
    return false;
  } catch {
    return "needs root, to make a PID namespace";
  }
}

/** An ordinary server; a request in flight is answered after its `ms`. */
function server(port: number): BatonOptions {
  return { command: fixtureCommand("node_http.js"), env: { PORT: String(port) } };
}

/** A server that ends as it is asked to: GET /exit/N, GET /kill/SIGNAL. It appends USR1 to $NOTE. */
const MORTAL = `
const http = require("node:http");
const { appendFileSync } = require("node:fs");
process.on("SIGUSR1", () => appendFileSync(process.env.NOTE, "USR1\\n"));
http.createServer((request, response) => {
  const [, verb, argument] = request.url.split("/");
  response.end("pid=" + process.pid + "\\n", () => {
    if (verb === "exit") process.exit(Number(argument));
    if (verb === "kill") process.kill(process.pid, argument);
  });
}).listen(Number(process.env.PORT), "127.0.0.1");
`;

function mortal(port: number, note = "/dev/null"): BatonOptions {
  return {
    command: [required("node", findNode()), "-e", MORTAL],
    env: { PORT: String(port), NOTE: note },
  };
}

/** Sends one request, whatever becomes of it. */
function send(port: number, path: string): Load {
  return new Load({ port, path, clients: 1, maxRequests: 1, timeoutMs: TEST.timeout }).start();
}

/** A request that is in flight when this returns, and takes `ms`. */
async function inFlight(baton: Baton, port: number, ms: number): Promise<Load> {
  const load = send(port, `/slow?ms=${ms}`);
  await waitUntil(async () => (await serving(baton)).connections.busy === 1, {
    what: "the request is in flight",
  });
  return load;
}

async function serving(baton: Baton): Promise<Snapshot["generations"][number]> {
  const { generations } = await baton.status();
  const found = generations.find(({ state }) => state === "serving");
  assert.ok(found, JSON.stringify(generations));
  return found;
}

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
      listeners: [{
        address: `127.0.0.1:${port}`,
        mode: "adopt",
        residence: null,
        members: [{ epoch: 0, backlog: 0, receiving: true }],
      }],
      restarts: { ok: 0, failed: 0, crashes: 0 },
      lastReload: null,
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
    }]);
    assert.match(startedAt, ISO_8601);
    assert.match(first.startedAt, ISO_8601);
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
      ...{ epoch: 1, result: "ok", reason: null, replaced: 0, failedIn: null },
      ...{ connectionsCut: 0, connectionsUndecided: 0, connectionsKept: null },
      connections: { finished: 0, cut: 0, undecided: 0, moved: 0 },
      late: [],
    });
    assert.deepEqual(phases?.map(({ phase, epoch }) => `${phase} ${epoch}`), [
      ...["starting 1", "probing 1", "draining 0", "stopping 0"],
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
      residence: null,
      members: [{ epoch: 0, backlog: 0, receiving: true }],
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
    assert.match(dead.stderr, /Cannot reach "web": nobody listens at .*web\.sock\n/);

    renameSync(killed.socketPath, dir.join("old.sock"));
    const port = await freePort();
    await using baton = await startBaton({ ...server(port), dir });
    const only = await baton.cli("status");
    assert.equal(only.code, 0, only.stderr);
    assert.match(only.stdout, new RegExp(`pid ${baton.pid}`));
    const old = await baton.cli("status", "old");
    assert.match(old.stderr, /Cannot reach "old": nobody listens at .*\n {2}Services in .*: web$/m);
    const drained = await baton.cli("prestop", "--min", "0", "--max", "10s");
    assert.match(drained.stdout, /"web" is/, drained.stderr);

    baton.signal("SIGKILL");
    await baton.exited;
    const none = await baton.cli("status");
    assert.equal(none.code, EXIT_SYSTEM);
    assert.match(none.stderr, /Cannot find a running baton: nobody listens at .* of old, web\n/);
  });
});

describe("baton reload", () => {
  test("blocks until the verdict", TEST, async () => {
    const port = await freePort();
    const slow = {
      command: fixtureCommand("sd_notify.py"),
      env: { PORT: String(port), MS: "900" },
    };
    await using baton = await startBaton({ ...slow, flags: ["--ready", "notify"] });
    const startedAt = performance.now();
    const { code, stdout, stderr } = await baton.cli("reload");
    assert.equal(code, 0, stderr);
    assert.ok(performance.now() - startedAt >= 900, "not before READY=1");
    const story = "starting \\d+ ms, probing \\d+ ms; generation 0: draining still";
    assert.match(stdout, new RegExp(`^generation 1 serves after \\d+ ms\n  ${story}\n$`));
    assert.equal((await baton.status()).epoch, 1);
  });

  test("--json prints the report, of a failure too", TEST, async () => {
    using work = tempDir();
    const program = work.write("server", `#!/bin/sh\nexec node ${fixture("node_http.js")}\n`);
    chmodSync(program, 0o755);
    await using baton = await startBaton({
      command: [program],
      env: { PORT: String(await freePort()) },
    });
    const good = await baton.cli("reload", "--json");
    const { durationMs, phases, ...report } = JSON.parse(good.stdout);
    assert.deepEqual(report, {
      result: "ok",
      epoch: 1,
      reason: null,
      output: [],
      outputIsDirect: false,
      trial: null,
      ...{ replaced: 0, failedIn: null, connections: null, late: [], serving: 1 },
    });
    assert.equal(phases.length, 3);
    assert.ok(durationMs > 0);
    renameSync(program, `${program}.gone`);
    const bad = await baton.cli("reload", "--json");
    assert.equal(bad.code, 70);
    const failure = JSON.parse(bad.stdout);
    assert.deepEqual([failure.result, failure.epoch], ["failed", 2]);
    assert.match(failure.reason, /Cannot find program/);
  });

  test("those that come during a reload share the next one", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    await using load = new Load({ port }).start();
    const first = baton.reload();
    await waitUntil(async () => (await baton.status()).generations.length === 2, {
      what: "the first one is under way",
    });
    const reports = await Promise.all([first, baton.reload(), baton.reload(), baton.reload()]);
    assert.deepEqual(reports.map(({ result, epoch }) => [result, epoch]), [
      ["ok", 1],
      ["ok", 2],
      ["ok", 2],
      ["ok", 2],
    ]);
    const after = await baton.settled();
    assert.deepEqual([after.epoch, after.restarts.ok], [2, 2]);
    const tally = await load.stop();
    assert.equal(tally.lost, 0, formatTally(tally));
  });

  test("--timeout gives up waiting, not the reload", TEST, async () => {
    const port = await freePort();
    const slow = {
      command: fixtureCommand("sd_notify.py"),
      env: { PORT: String(port), MS: "900" },
    };
    await using baton = await startBaton({ ...slow, flags: ["--ready", "notify"] });
    const { code, stderr } = await baton.cli("reload", "--timeout", "200ms");
    assert.equal(code, EXIT_TIMED_OUT, stderr);
    assert.match(stderr, /no answer in time/);
    assert.equal((await baton.status()).epoch, 0, "it is under way");
    await waitUntil(async () => (await baton.status()).epoch === 1, { what: "it goes on" });
  });

  test("is refused while baton stops", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    await using load = await inFlight(baton, port, 4_000);
    const pending = baton.reload();
    baton.signal("SIGTERM");
    assert.equal((await pending).result, "refused");
    const { code, stderr } = await baton.cli("reload");
    assert.equal(code, EXIT_BUSY, stderr);
    assert.match(stderr, /reload refused: baton is stopping/);
    assert.equal((await baton.exited).code, 0);
    assert.equal((await load.finished()).lost, 0);
  });
});

describe("baton stop", () => {
  test("waits until the last request is answered and baton is gone", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    const { pid } = await serving(baton);
    await using load = await inFlight(baton, port, 1_000);
    const { code, stdout, stderr } = await baton.cli("stop");
    assert.equal(code, 0, stderr);
    assert.equal(stdout, "web has stopped\n");
    assert.equal(alive(baton.pid), false);
    assert.equal(alive(pid ?? 0), false);
    assert.equal(existsSync(baton.socketPath), false);
    assert.equal((await baton.exited).code, 0, baton.stderr);
    const tally = await load.finished();
    assert.equal(tally.ok, 1, formatTally(tally));
  });

  for (const [where, inside, outside] of NAMESPACES) {
    test(`waits for a baton ${where}`, { ...TEST, skip: cannotUnshare() }, async () => {
      const port = await freePort();
      await using baton = await startBaton({ ...server(port), wrapper: inside });
      await using load = await inFlight(baton, port, 1_000);
      const [program = "", ...words] = [...outside, ...batonCommand(), "stop"];
      const stop = await runCommand([program, ...words, "--runtime-dir", baton.dir.path]);
      assert.equal(stop.code, 0, stop.stderr);
      assert.equal(existsSync(baton.socketPath), false, "not before it is gone");
      assert.equal((await baton.exited).code, 0, baton.stderr);
      assert.equal((await load.finished()).ok, 1);
    });
  }

  test("--timeout gives up waiting, and says how to go on", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    await using load = await inFlight(baton, port, 2_000);
    const { code, stderr } = await baton.cli("stop", "--timeout", "100ms");
    assert.equal(code, EXIT_TIMED_OUT, stderr);
    assert.match(stderr, /Cannot wait any longer.*\n {2}Shorten its waits .*: baton stop web/);
    assert.equal((await baton.exited).code, 0, "it stops all the same");
    assert.equal((await load.finished()).ok, 1);
  });
});

describe("--pidfile", () => {
  for (const way of ["absolute", "relative"]) {
    test(`${way}: written, the same at every reload, and removed`, TEST, async () => {
      using work = tempDir();
      const pidfile = work.join("web.pid");
      await using baton = await startBaton({
        ...server(await freePort()),
        flags: ["--pidfile", way === "absolute" ? pidfile : "web.pid"],
        cwd: work.path,
      });
      assert.equal(readFileSync(pidfile, "utf8"), `${baton.pid}\n`);
      assert.equal((await baton.cli("reload")).code, 0);
      assert.equal(readFileSync(pidfile, "utf8"), `${baton.pid}\n`);
      assert.equal((await baton.stop()).code, 0);
      assert.equal(existsSync(pidfile), false);
    });
  }

  test("is left alone when it names somebody else by now", TEST, async () => {
    using work = tempDir();
    const pidfile = work.join("web.pid");
    const flags = ["--pidfile", pidfile];
    await using baton = await startBaton({ ...server(await freePort()), flags });
    work.write("web.pid", "1\n");
    assert.equal((await baton.stop()).code, 0);
    assert.equal(readFileSync(pidfile, "utf8"), "1\n");
  });
});

describe("the log", () => {
  test("--log-format json: every line can be parsed, failures and crashes too", TEST, async () => {
    const port = await freePort();
    const flags = ["--log-format", "json", "--log-level", "debug"];
    await using baton = await startBaton({ ...mortal(port), flags });
    await baton.reload();
    await send(port, "/exit/3").finished();
    await waitUntil(async () => (await baton.settled()).restarts.crashes === 1, {
      what: "the crash is over",
    });
    assert.equal((await baton.stop()).code, 0);
    const lines = baton.stderr.trimEnd().split("\n").map((line) => JSON.parse(line));
    for (const { time, level, name, message } of lines) {
      assert.match(time, ISO_8601);
      assert.match(level, /^(debug|info|warn|error)$/);
      assert.equal(name, "web");
      assert.equal(typeof message, "string");
    }
    const messages = lines.filter(({ level }) => level !== "debug").map(({ message }) => message);
    for (const expected of ["generation 1 serves", "generation 1 crashed: exit status 3"]) {
      assert.ok(messages.includes(expected), `${expected} is in:\n${messages.join("\n")}`);
    }
  });

  test("--log-file, not standard error; USR1 opens it anew after a rotation", TEST, async () => {
    using work = tempDir();
    const log = work.join("baton.log");
    await using baton = await startBaton({
      ...server(await freePort()),
      flags: ["--log-file", "baton.log"],
      cwd: work.path,
    });
    assert.match(readFileSync(log, "utf8"), /generation 0 serves/);
    renameSync(log, `${log}.1`);
    await baton.reload();
    assert.equal(existsSync(log), false, "it goes on into the old file");
    assert.match(readFileSync(`${log}.1`, "utf8"), /generation 1 serves/);
    baton.signal("SIGUSR1");
    await waitUntil(() => existsSync(log), { what: "the log is opened anew" });
    await baton.reload();
    assert.match(readFileSync(log, "utf8"), /generation 2 serves/);
    assert.doesNotMatch(readFileSync(`${log}.1`, "utf8"), /generation 2 serves/);
    await waitUntil(() => listeners(baton.pid).every(({ port }) => port !== INSPECTOR_PORT), {
      what: "the inspector is closed that Deno opens at SIGUSR1",
    });
    assert.equal((await baton.stop()).code, 0);
    const withoutDeno = baton.stderr.replace(/^Debugger listening.*\nVisit chrome:.*\n/, "");
    assert.equal(withoutDeno, "");
  });

  test("a rotation that fails keeps the old file", TEST, async () => {
    using work = tempDir();
    mkdirSync(work.join("log"));
    const log = work.join("log", "baton.log");
    const flags = ["--log-file", log];
    await using baton = await startBaton({ ...server(await freePort()), flags });
    renameSync(work.join("log"), work.join("old"));
    baton.signal("SIGUSR1");
    const read = () => readFileSync(work.join("old", "baton.log"), "utf8");
    await waitUntil(() => /warn: cannot reopen the log: .*ENOENT/.test(read()), {
      what: "the failure is told",
    });
    await baton.reload();
    assert.match(read(), /generation 1 serves/);
  });
});

describe("help", () => {
  for (const verb of VERBS) {
    test(`baton ${verb} --help`, TEST, async () => {
      const { code, stdout, stderr } = await runCommand([...batonCommand(), verb, "--help"]);
      assert.equal(code, 0, stderr);
      assert.equal(stderr, "");
      assert.match(stdout, new RegExp(`^Usage: baton ${verb}\\b`));
      assert.match(stdout, /\nOptions:\n/);
      assert.match(stdout, /\nExamples:\n/);
      assert.deepEqual(stdout.split("\n").filter((line) => line.length > 80), []);
      const other = await runCommand([...batonCommand(), "help", verb]);
      assert.deepEqual([other.code, other.stdout], [0, stdout]);
    });
  }

  test("baton --help names every verb", TEST, async () => {
    const { code, stdout } = await runCommand([...batonCommand(), "--help"]);
    assert.equal(code, 0);
    for (const verb of VERBS) assert.match(stdout, new RegExp(`^ {2}${verb} {2,}\\w`, "m"));
  });

  test("a --help behind the program belongs to the program", TEST, async () => {
    using work = tempDir();
    const words = ["run", "--runtime-dir", work.path, "--", "echo", "--help"];
    const { stdout } = await runCommand([...batonCommand(), ...words]);
    assert.match(stdout, /^(--help\n|Usage: .*echo)/);
  });
});

describe("signals", () => {
  test("HUP reloads", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    await using load = new Load({ port }).start();
    baton.signal("SIGHUP");
    const after = await waitUntil(async () => {
      const status = await baton.settled();
      return status.epoch === 1 && status;
    }, { what: "the new generation serves" });
    assert.equal(after.pid, baton.pid);
    assert.equal(after.lastReload?.result, "ok", "it is a reload as any other");
    assert.equal(after.restarts.ok, 1);
    const tally = await load.stop();
    assert.equal(tally.lost, 0, formatTally(tally));
  });

  test("a HUP whose reload fails is told in status and log", TEST, async () => {
    using work = tempDir();
    const envFile = work.write("env", "A=1\n");
    const flags = ["--env-file", envFile];
    await using baton = await startBaton({ ...server(await freePort()), flags });
    work.write("env", "broken\n");
    baton.signal("SIGHUP");
    const { lastReload } = await waitUntil(async () => {
      const status = await baton.status();
      return status.restarts.failed === 1 && status;
    }, { what: "the reload fails" });
    assert.match(lastReload?.reason ?? "", /Cannot read .*env line 1/);
    assert.match(baton.stderr, /error: reload failed: Cannot read .*env line 1/);
  });

  for (const signal of ["SIGTERM", "SIGINT", "SIGQUIT"] as const) {
    test(`${signal} stops gracefully, exit status 0`, TEST, async () => {
      const port = await freePort();
      await using baton = await startBaton(server(port));
      const { pid } = await serving(baton);
      await using load = await inFlight(baton, port, 1_000);
      baton.signal(signal);
      assert.deepEqual(await baton.exited, { code: 0, signal: null }, baton.stderr);
      assert.equal(alive(pid ?? 0), false);
      assert.equal(existsSync(baton.socketPath), false);
      const tally = await load.finished();
      assert.equal(tally.ok, 1, formatTally(tally));
    });
  }

  test("a second TERM does not wait for requests", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    await using load = await inFlight(baton, port, 45_000);
    baton.signal("SIGTERM");
    await waitUntil(async () => (await baton.status()).generations[0]?.state === "draining", {
      what: "it drains",
    });
    baton.signal("SIGTERM");
    const exit = await baton.exited;
    // It is what was asked for, and somebody has lost an answer by it.
    assert.deepEqual([exit.signal, exit.code], [null, 124], baton.stderr);
    assert.match(baton.stderr, /generation 0 is gone cut=1/);
    const tally = await load.finished();
    assert.equal(tally.lost, 1, formatTally(tally));
  });

  test("a third TERM kills a server that does not end", TEST, async () => {
    const port = await freePort();
    const stubborn = { command: fixtureCommand("ignores_term.py"), env: { PORT: String(port) } };
    await using baton = await startBaton({ ...stubborn, flags: ["--stop-time", "10m"] });
    const { pid } = await serving(baton);
    baton.signal("SIGTERM");
    await waitUntil(async () => (await baton.status()).generations[0]?.state === "stopping", {
      what: "the server is told to stop",
    });
    for (let told = 1; told < 3; told++) {
      assert.equal(alive(pid ?? 0), true, "it does not care");
      const stops = () => baton.stderr.match(/SIGTERM: stop/g)?.length ?? 0;
      baton.signal("SIGTERM");
      await waitUntil(() => stops() === told + 1 || baton.exit !== null, { what: "it is heard" });
    }
    const exit = await baton.exited;
    assert.deepEqual([exit.signal, exit.code], [null, EXIT_TIMED_OUT], baton.stderr);
    assert.equal(alive(pid ?? 0), false);
  });

  test("a server that outlives --stop-time is killed, exit status 124", TEST, async () => {
    const port = await freePort();
    const stubborn = { command: fixtureCommand("ignores_term.py"), env: { PORT: String(port) } };
    await using baton = await startBaton({ ...stubborn, flags: ["--stop-time", "300ms"] });
    assert.equal((await baton.stop()).code, EXIT_TIMED_OUT, baton.stderr);
  });

  test("TERM before anything serves ends at once, and the server too", TEST, async () => {
    await using baton = await startBaton({
      command: fixtureCommand("hangs.js"),
      env: {},
      expectFailure: true,
    });
    await waitUntil(() => baton.stdout.includes("hangs: starting"), { what: "the server runs" });
    const [pid = 0] = children(baton.pid);
    assert.equal((await baton.stop()).code, 0, baton.stderr);
    assert.equal(alive(pid), false);
  });

  const USR1: readonly [policy: string, arrives: boolean][] = [
    ["forward", true],
    ["ignore", false],
    ["auto", false], // It is node, to which USR1 means something else.
  ];
  for (const [policy, arrives] of USR1) {
    test(`--usr1 ${policy}: the server ${arrives ? "gets" : "does not get"} it`, TEST, async () => {
      using work = tempDir();
      const note = work.write("note", "");
      const log = work.join("log");
      const flags = ["--usr1", policy, "--log-file", log];
      await using baton = await startBaton({ ...mortal(await freePort(), note), flags });
      renameSync(log, `${log}.1`);
      baton.signal("SIGUSR1");
      await waitUntil(() => existsSync(log), { what: "baton has got it" });
      const { pid = 0 } = await serving(baton);
      if (!arrives) process.kill(pid ?? 0, "SIGUSR1"); // The one it gets is this one.
      await waitUntil(() => readFileSync(note, "utf8") !== "", { what: "the server has got one" });
      assert.equal(readFileSync(note, "utf8"), "USR1\n");
    });
  }
});

describe("exit status", () => {
  const ENDS: readonly [what: string, path: string, code: number][] = [
    ["the server's own code", "/exit/7", 7],
    ["0, as the server", "/exit/0", 0],
    ["128+n for a signal", "/kill/SIGSEGV", 128 + constants.signals.SIGSEGV],
    ["128+9 for a KILL", "/kill/SIGKILL", 128 + constants.signals.SIGKILL],
    ["128+15 for a TERM that is not ours", "/kill/SIGTERM", 128 + constants.signals.SIGTERM],
  ];
  for (const [what, path, code] of ENDS) {
    test(`--on-crash exit: ${what}`, TEST, async () => {
      const port = await freePort();
      await using baton = await startBaton({ ...mortal(port), flags: ["--on-crash", "exit"] });
      await send(port, path).finished();
      assert.deepEqual(await baton.exited, { code, signal: null }, baton.stderr);
      assert.equal(existsSync(baton.socketPath), false);
    });
  }

  test("a server that ends with 0 by itself is not started again", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(mortal(port));
    await send(port, "/exit/0").finished();
    assert.equal((await baton.exited).code, 0, baton.stderr);
  });

  const STARTS: readonly [what: string, command: string[], code: number, says: RegExp][] = [
    [
      "127: no such program",
      ["/no/such/program"],
      127,
      /Cannot find program "\/no\/such\/program"/,
    ],
    ["127: not in PATH", ["no-such-program"], 127, /Cannot find program "no-such-program" in PATH/],
    ["126: no execute permission", [fixture("hangs.js")], 126, /Cannot execute .*hangs\.js.*chmod/],
    ["126: a directory", ["/tmp"], 126, /Cannot execute "\/tmp": it is a directory/],
    ["the server's own code before it serves", fixtureCommand("exits_at_once.js"), 3, /status 3/],
    ["128+n before it serves", ["sh", "-c", "kill -KILL $$"], 137, /killed by SIGKILL/],
  ];
  for (const [what, command, code, says] of STARTS) {
    test(`first start: ${what}`, TEST, async () => {
      await using baton = await startBaton({ command, env: {}, expectFailure: true });
      assert.deepEqual(await baton.exited, { code, signal: null }, baton.stderr);
      assert.match(baton.stderr, says);
    });
  }

  test("70 when the first generation is not ready in time", TEST, async () => {
    await using baton = await startBaton({
      command: fixtureCommand("hangs.js"),
      env: {},
      flags: ["--ready-timeout", "500ms"],
      expectFailure: true,
    });
    assert.equal((await baton.exited).code, 70, baton.stderr);
    assert.match(baton.stderr, /not ready within 0\.5 s: it does not listen/);
  });
});

describe("a terminal", () => {
  const skip = findPython() === null && "needs python3, for a terminal of its own";

  test(
    "that is closed stops baton; a HUP while it is open reloads",
    { ...TEST, skip },
    async () => {
      const port = await freePort();
      await using terminal = await Terminal.run(server(port));
      const { baton } = terminal;
      process.kill(baton.pid, "SIGHUP");
      await waitUntil(async () => (await baton.settled()).epoch === 1, { what: "it has reloaded" });
      const { pid } = await serving(baton);
      await using load = await inFlight(baton, port, 1_000);
      terminal.tell("close");
      assert.equal(await terminal.ended, "exit 0");
      assert.equal(alive(pid ?? 0), false);
      assert.match(terminal.log, /warn: the terminal was closed: stopping/);
      assert.doesNotMatch(terminal.log, /generation 2 starts/);
      const tally = await load.finished();
      assert.equal(tally.ok, 1, formatTally(tally));
    },
  );

  test("in which Ctrl-C is typed stops baton gracefully", { ...TEST, skip }, async () => {
    const port = await freePort();
    await using terminal = await Terminal.run(server(port));
    const { baton } = terminal;
    await using load = await inFlight(baton, port, 1_000);
    terminal.tell("ctrl-c");
    assert.equal(await terminal.ended, "exit 0");
    assert.match(terminal.log, /info: SIGINT: stop/);
    const tally = await load.finished();
    assert.equal(tally.ok, 1, `the server was not interrupted: ${formatTally(tally)}`);
  });
});

/** Runs a command in a new session with a terminal of its own; each line on stdin is a deed. */
const TERMINAL = `
import os, pty, select, sys
pid, master = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
print("pid", pid, flush=True)
watched = [0, master]
while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
    readable, _, _ = select.select(watched, [], [], 0.05)
    try:
        if master in readable:
            os.read(master, 4096)
    except OSError:
        watched.remove(master)
    if 0 in readable:
        deed = os.read(0, 4096)
        if deed == b"ctrl-c\\n":
            os.write(master, b"\\x03")
        if deed == b"close\\n":
            watched.remove(master)
            os.close(master)
        if deed == b"":
            watched.remove(0)
_, status = os.waitpid(pid, 0)
print(f"exit {os.WEXITSTATUS(status)}" if os.WIFEXITED(status) else f"signal {os.WTERMSIG(status)}")
`;

/** baton in a terminal. */
class Terminal implements AsyncDisposable {
  readonly ended: Promise<string>;
  baton!: Baton;
  #said = "";

  constructor(readonly child: ChildProcess, readonly work: ReturnType<typeof tempDir>) {
    child.stdout?.on("data", (bytes) => this.#said += String(bytes));
    child.stderr?.on("data", (bytes) => this.#said += String(bytes));
    this.ended = new Promise((resolve) => {
      child.once("close", () => resolve(this.#said.trim().split("\n").at(-1) ?? ""));
    });
  }

  static async run(options: BatonOptions): Promise<Terminal> {
    const work = tempDir();
    const name = ["--name", "web", "--runtime-dir", work.path, "--log-file", work.join("log")];
    const words = [...batonCommand(), "run", ...name, "--", ...options.command];
    const child = spawn(required("python3", findPython()), ["-c", TERMINAL, ...words], {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, ...options.env },
    });
    const terminal = new Terminal(child, work);
    terminal.baton = new Baton(child, work, undefined);
    const pid = await waitUntil(() => /^pid (\d+)$/m.exec(terminal.#said)?.[1], {
      what: "baton runs in a terminal",
    });
    Object.assign(terminal.baton, { pid: Number(pid) });
    await waitUntil(async () => (await terminal.baton.status()).epoch === 0, {
      what: `it serves: ${terminal.#said}`,
    });
    return terminal;
  }

  get log(): string {
    return readFileSync(this.work.join("log"), "utf8");
  }

  tell(deed: "ctrl-c" | "close"): void {
    this.child.stdin?.write(`${deed}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode === null) killTree(this.child.pid ?? 0);
    await this.ended;
    this.work[Symbol.dispose]();
  }
}
