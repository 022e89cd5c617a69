/** From what was seen to a verdict, and to what is tried next. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { nextKeptTrial, nextTrial } from "../../../src/rehearse/next_trial.ts";
import type { Attempt } from "../../../src/rehearse/plan.ts";
import { judge } from "../../../src/rehearse/verdict.ts";

const GOOD: Attempt = {
  options: [],
  command: ["server", "--pid", "/run/server.pid"],
  start: {
    ok: true,
    durationMs: 100,
    status: null,
    listeners: ["127.0.0.1:80"],
    late: [],
    order: null,
    orderReason: null,
    shell: null,
  },
  reload: {
    ok: true,
    durationMs: 100,
    reason: null,
    exchanges: 50,
    lost: [],
    slowestMs: 4,
    phases: [],
    sharedFiles: [],
    doubt: null,
    waitedMs: null,
  },
  keeps: null,
  holds: [],
  blocker: null,
  pidFiles: [],
  rewritten: [],
  stop: { durationMs: 10, status: 0, killed: [] },
  output: [],
};
const FAILED: Attempt = {
  ...GOOD,
  reload: { ...GOOD.reload!, ok: false, reason: "it exited before it was ready: exit status 1" },
  holds: ["pid file /run/server.pid"],
};
const PID_FILE = { path: "/run/server.pid", kind: "pid file", isData: false } as const;
const DATA_LOCK = { path: "/var/lib/x/LOCK", kind: "lock", isData: true } as const;
const STATE: Attempt = { ...GOOD, rewritten: ["/var/lib/x/dump"] };
const UNSTARTED: Attempt = {
  ...GOOD,
  start: { ...GOOD.start, ok: false, status: 1 },
  reload: null,
};
const DATAGRAMS: Attempt = {
  ...UNSTARTED,
  output: [
    "generation 0: it binds udp:127.0.0.1:53, and UDP is not handed over: say --udp switch, or --order stop-first",
  ],
};
const KEPT = { path: "/run/x.pid", fate: "kept" } as const;
const GONE: Attempt = { ...GOOD, pidFiles: [{ path: "/run/x.pid", fate: "gone" }] };

describe("judge()", () => {
  test("a clean life: can be reloaded, with the user's own line", () => {
    const { verdict, words, reasons } = judge([GOOD]);
    assert.equal(verdict, "can be reloaded");
    assert.deepEqual(words, ["run", "--", ...GOOD.command]);
    assert.deepEqual(reasons, []);
  });

  test("a pid file in the way that no trial helped: a change of the configuration", () => {
    const { verdict, reasons } = judge([{ ...FAILED, blocker: PID_FILE }]);
    assert.equal(verdict, "can be reloaded with a change");
    assert.match(reasons.join("\n"), /pid file \/run\/server.pid is in the way/);
    assert.match(reasons.join("\n"), /RESTART_EPOCH/);
  });

  test("a server of UDP alone: with --udp switch, tried; and not where --udp is given", () => {
    const { options, command } = nextTrial([DATAGRAMS]) ?? {};
    assert.deepEqual([options, command], [["--udp=switch"], GOOD.command]);
    const { verdict, words, reasons } = judge([DATAGRAMS, { ...GOOD, options: ["--udp=switch"] }]);
    assert.equal(verdict, "can be reloaded with a change");
    assert.deepEqual(words, ["run", "--udp=switch", "--", ...GOOD.command]);
    assert.match(reasons.join("\n"), /^needs --udp switch: it is reached at udp:127.0.0.1:53 /);
    assert.equal(nextTrial([{ ...DATAGRAMS, options: ["--udp=leave"] }]), null);
    assert.equal(judge([DATAGRAMS, { ...DATAGRAMS, output: [] }]).verdict, "does not start");
  });

  test("a pid file in the command: the changed line, which was tried", () => {
    const command = ["server", "--pid", "/run/server.{epoch}.pid"];
    const { verdict, words } = judge([{ ...FAILED, blocker: PID_FILE }, { ...GOOD, command }]);
    assert.equal(verdict, "can be reloaded with a change");
    assert.deepEqual(words, ["run", "--", ...command]);
  });

  test("a pid file at the default path of a known server: the option for one of its own", () => {
    const blocker = { ...PID_FILE, path: "/srv/blog/tmp/pids/server.pid" };
    const after = (command: string[], options: string[] = []) =>
      nextTrial([{ ...FAILED, options, command, blocker }]);
    const rails = ["bundle", "exec", "rails", "server", "-p", "80"];
    const own = ["-P", "/srv/blog/tmp/pids/server.{epoch}.pid"];
    assert.deepEqual(after(rails), { options: [], command: [...rails, ...own] });
    const binstub = ["start"];
    assert.deepEqual(after(binstub, ["--preset=rails"])?.command, [...binstub, ...own]);
    // What is behind a shell's script is not the server's, and others' options are not known.
    const others = [["sh", "-c", "rails server"], ["server"], ["puma"]];
    for (const command of others) {
      assert.deepEqual(after(command), { options: ["--order=stop-first"], command });
    }
  });

  test("a directory of data: stop-first, if that worked; else it cannot be reloaded", () => {
    const first = { ...FAILED, blocker: DATA_LOCK };
    const options = ["--order=stop-first"];
    const { verdict, words, reasons } = judge([first, { ...GOOD, options }]);
    assert.equal(verdict, "can be reloaded with a change");
    assert.deepEqual(words.slice(0, 2), ["run", "--order=stop-first"]);
    assert.match(reasons.join("\n"), /holds its data: lock \/var\/lib\/x\/LOCK/);
    assert.equal(judge([first, { ...FAILED, options }]).verdict, "cannot be reloaded");
  });

  test("a state file that both write: named, although the reload went well", () => {
    const { verdict, reasons } = judge([STATE]);
    assert.equal(verdict, "can be reloaded with a change");
    assert.match(reasons.join("\n"), /both copies write \/var\/lib\/x\/dump/);
  });

  test("lost connections: it cannot be reloaded, and says where they were lost", () => {
    const lost = [{ how: "127.0.0.1:80: reset", count: 3 }];
    const { verdict, reasons } = judge([{ ...GOOD, reload: { ...GOOD.reload!, lost } }]);
    assert.equal(verdict, "cannot be reloaded");
    assert.match(reasons.join("\n"), /3 at 127.0.0.1:80: reset/);
  });

  test("a server that wants another service: says that there is no network", () => {
    const output = ["Error: connect ECONNREFUSED 127.0.0.1:5432"];
    const { verdict, reasons } = judge([{ ...UNSTARTED, output }]);
    assert.equal(verdict, "does not start");
    assert.match(reasons.join("\n"), /status 1.*no network/);
    const silent = ["generation 0 failed: not ready within 60 s: it does not listen"];
    assert.match(judge([{ ...UNSTARTED, output: silent }]).reasons.join("\n"), /no network/);
    assert.doesNotMatch(judge([UNSTARTED]).reasons.join("\n"), /no network/);
  });

  test("notes: a shell in front, a shared file, what had to be killed", () => {
    const { verdict, notes } = judge([{
      ...GOOD,
      start: { ...GOOD.start, shell: { pid: 7, name: "dash", server: "node" } },
      reload: { ...GOOD.reload!, sharedFiles: ["/srv/db"] },
      stop: { durationMs: 10_000, status: 124, killed: ["node (pid 9)"] },
    }]);
    assert.equal(verdict, "can be reloaded");
    assert.equal(notes.length, 3);
    assert.match(notes.join("\n"), /shell stays in front.*\n.*\/srv\/db open.*\n.*killed/);
  });

  test("a port that is opened late is a note, with the check that waits for it", () => {
    const start = { ...GOOD.start, listeners: ["unix:/run/rpc.sock"], late: ["[::]:8080"] };
    const { notes } = judge([{ ...GOOD, start }]);
    assert.match(notes.join("\n"), /opens \[::\]:8080 when .*: --ready=tcp:8080 waits for that/);
  });

  test("another status than 0 at its stop signal is a note, with the option for it", () => {
    const ends = (status: number, killed: string[] = []) =>
      judge([{ ...GOOD, stop: { durationMs: 10, status, killed } }]).notes.join("\n");
    assert.match(ends(1), /ends with 1 at its stop signal.*--clean-exit 1 makes that 0/);
    // Connections were cut, or it was killed: no habit of the server's.
    for (const text of [ends(0), ends(124), ends(137, ["node (pid 9)"])]) {
      assert.doesNotMatch(text, /clean-exit/);
    }
  });

  test("a pid file that is gone is a note, with the option that keeps it", () => {
    const second = { ...GOOD, options: ["--server-pidfile=/run/x.pid"], pidFiles: [KEPT] };
    const { verdict, words, notes } = judge([GONE, second]);
    assert.equal(verdict, "can be reloaded");
    assert.deepEqual(words, ["run", "--", ...GOOD.command]);
    assert.match(notes.join("\n"), /is gone .*--server-pidfile=\/run\/x.pid .*\(tried\)/);
    assert.doesNotMatch(judge([GONE, { ...second, pidFiles: GONE.pidFiles }]).notes[0]!, /tried/);
    assert.deepEqual(judge([{ ...GOOD, pidFiles: [KEPT] }]).notes, []);
  });
});

describe("nextTrial()", () => {
  test("nothing, when the first life was good or did not begin", () => {
    assert.equal(nextTrial([GOOD]), null);
    assert.equal(nextTrial([UNSTARTED]), null);
  });

  test("--server-pidfile for a pid file that is gone, once", () => {
    assert.deepEqual(nextTrial([GONE])?.options, ["--server-pidfile=/run/x.pid"]);
    assert.equal(nextTrial([GONE, GONE]), null);
    assert.equal(nextTrial([{ ...GONE, options: ["--server-pidfile=none"] }]), null);
  });

  test("a path of its own for each generation, when the command names it", () => {
    const trial = nextTrial([{ ...FAILED, blocker: PID_FILE }]);
    assert.deepEqual(trial?.command, ["server", "--pid", "/run/server.{epoch}.pid"]);
  });

  test("a name without a dot gets the number at its end", () => {
    const blocker = { ...PID_FILE, path: "/run/x.d/pid" };
    const command = ["server", "/run/x.d/pid"];
    const trial = nextTrial([{ ...FAILED, command, blocker }]);
    assert.deepEqual(trial?.command, ["server", "/run/x.d/pid.{epoch}"]);
  });

  test("stop-first for data, and after a change that did not help", () => {
    assert.deepEqual(nextTrial([{ ...FAILED, blocker: DATA_LOCK }])?.options, [
      "--order=stop-first",
    ]);
    assert.deepEqual(nextTrial([STATE])?.options, ["--order=stop-first"]);
    const tried = [{ ...FAILED, blocker: PID_FILE }, FAILED];
    assert.deepEqual(nextTrial(tried)?.options, ["--order=stop-first"]);
  });

  test("an order that the user has given is not replaced", () => {
    assert.equal(nextTrial([{ ...STATE, options: ["--order=start-first"] }]), null);
  });
});

describe("nextKeptTrial()", () => {
  const KEEPS: Attempt = { ...GOOD, keeps: "127.0.0.1:80" };
  const kept = (lost: number) => ({ options: [], requests: 1_000, lost });

  test("with a short drain time; and where that loses requests, moved", () => {
    assert.deepEqual(nextKeptTrial(KEEPS, []), ["--drain-time=2s"]);
    assert.deepEqual(nextKeptTrial(KEEPS, [kept(4)]), ["--drain-time=2s", "--keep-alive=migrate"]);
    assert.equal(nextKeptTrial(KEEPS, [kept(0)]), null);
    assert.equal(nextKeptTrial(KEEPS, [kept(4), kept(1)]), null);
  });

  test("with the user's own options, but for the drain time", () => {
    const options = ["--drain-time=1m", "--keep-alive=auto"];
    assert.deepEqual(nextKeptTrial({ ...KEEPS, options }, []), [
      "--keep-alive=auto",
      "--drain-time=2s",
    ]);
    assert.equal(nextKeptTrial({ ...KEEPS, options }, [kept(4)]), null);
  });

  test("not where a server keeps no connections, or is stopped first", () => {
    assert.equal(nextKeptTrial(GOOD, []), null);
    const start = { ...GOOD.start, order: "stop-first" };
    assert.equal(nextKeptTrial({ ...KEEPS, start }, []), null);
  });
});
