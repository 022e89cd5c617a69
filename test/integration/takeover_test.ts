/**
 * The promise: an independent baton takes over from another one, also from another container, and no connection is
 * lost; whichever of the two dies at whatever moment, the other one serves.
 */
import assert from "node:assert/strict";
import { existsSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { Blocker } from "../support/hook_log.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally } from "../support/load.ts";
import { children } from "../support/proc.ts";
import { which } from "../support/programs.ts";
import { repeats } from "../support/repeats.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";
import { alone, answers, lostNothing, Pair, SlowRequest } from "../support/takeover_pair.ts";

const timeout = TEST_TIMEOUT_MS;

const needsRoot = process.getuid?.() === 0 && which("unshare") !== null
  ? false
  : "needs root and unshare(1) for namespaces";

/** Its own PID and mount namespaces, in which it is process 1 and does not see `hidden`. */
function container(hidden: string, ...more: string[]): string[] {
  const script = `mount -t tmpfs none '${hidden}' && exec "$@"`;
  const namespaces = ["--pid", "--fork", "--kill-child", "--mount-proc", "--mount", ...more];
  return ["unshare", ...namespaces, "sh", "-c", script, "sh"];
}

const TAKEOVERS = repeats({ full: 5, quick: 2 });

describe("takeover", () => {
  for (const sameName of [false, true]) {
    test(
      `${TAKEOVERS} takeovers in a row lose nothing, ${
        sameName ? "under one name" : "each with its own name"
      }`,
      {
        timeout,
      },
      async () => {
        using pair = await Pair.make();
        using names = tempDir();

        const batons: Baton[] = [];
        try {
          const start = async (version: string, flags: string[]) => {
            const options = { ...pair.server(version), flags };
            const baton = await startBaton({ ...options, dir: sameName ? names : undefined });
            batons.push(baton);
            return baton;
          };
          let old = await start("1", pair.old);
          assert.equal(statSync(pair.socket).mode & 0o777, 0o600);
          await using load = pair.load();
          await answers(load, "1");
          assert.equal((await old.reload()).result, "ok");
          for (let i = 2; i <= 1 + TAKEOVERS; i++) {
            const before = await old.status();
            const next = await start(String(i), pair.new);
            await alone(next, old);
            assert.equal(old.exit?.code, 0, old.stderr);
            await answers(load, String(i));
            const after = await next.status();
            assert.equal(after.epoch, before.epoch! + 1, "the epoch goes on");
            assert.equal(after.restarts.ok, before.restarts.ok + 1, "counters go on");
            old = next;
          }
          assert.equal((await old.reload()).result, "ok", "a reload is as good as ever");
          const tally = await load.stop();
          lostNothing(tally, ...batons);
          process.stderr.write(`  ${TAKEOVERS} takeovers: ${formatTally(tally)}\n`);
          assert.equal((await old.stop()).code, 0);
          assert.equal(existsSync(pair.socket), false, "the last one removes the socket");
        } finally {
          for (const baton of batons) await baton[Symbol.asyncDispose]();
        }
      },
    );
  }

  test("with --listen, and with workers that listen each for itself", { timeout }, async () => {
    for (const kind of ["listen", "workers"] as const) {
      using pair = await Pair.make();
      const env = { PORT: String(pair.port), HOST: "127.0.0.1", WORKERS: "3" };
      const runnable = kind === "listen"
        ? { command: fixtureCommand("inherit_fd.js"), env }
        : { command: fixtureCommand("prefork_reuseport.py"), env };
      const flags = kind === "listen" ? ["--listen", `127.0.0.1:${pair.port}`] : [];
      await using old = await startBaton({ ...runnable, flags: [...flags, ...pair.old] });
      await using load = pair.load();
      await waitUntil(() => load.tally.ok > 50, { what: "it answers" });
      await using next = await startBaton({ ...runnable, flags: [...flags, ...pair.new] });
      await alone(next, old);
      assert.equal((await next.reload()).result, "ok");
      lostNothing(await load.stop(), old, next);
    }
  });

  test("between two containers: other PID and mount namespaces", {
    timeout,
    skip: needsRoot,
  }, async () => {
    using pair = await Pair.make();
    using hiddenFromOld = tempDir();
    using hiddenFromNew = tempDir();
    await using old = await startBaton({
      ...pair.server("1"),
      flags: pair.old,
      wrapper: container(hiddenFromOld.path),
    });
    await using load = pair.load();
    await answers(load, "1");
    await using next = await startBaton({
      ...pair.server("2"),
      flags: pair.new,
      wrapper: container(hiddenFromNew.path),
    });
    assert.equal((await next.status()).pid, 1, "it is process 1 of its container");
    await alone(next, old);
    await answers(load, "2");
    assert.equal((await next.reload()).result, "ok");
    lostNothing(await load.stop(), old, next);
  });

  test("between two network namespaces: clients stay at the old one's address", {
    timeout,
    skip: needsRoot,
  }, async () => {
    using pair = await Pair.make();
    using hidden = tempDir();
    await using old = await startBaton({ ...pair.server("1"), flags: pair.old });
    await using load = pair.load();
    await answers(load, "1");
    await using next = await startBaton({
      ...pair.server("2"),
      flags: pair.new,
      wrapper: container(hidden.path, "--net"),
    });
    const inside = children(next.pid).at(-1)!;
    assert.notEqual(readlinkSync(`/proc/${inside}/ns/net`), readlinkSync("/proc/self/ns/net"));
    await alone(next, old);
    await answers(load, "2");
    // The sockets of the next generation have to be made in the old network namespace too, and a
    // connection there has to be seen, or it is cut.
    for (let i = 0; i < 3; i++) {
      using slow = new SlowRequest(pair.port);
      await slow.isSeenBy(next);
      assert.equal((await next.reload()).result, "ok", next.stderr);
      assert.match(await slow.finish(), /version=2/);
    }
    await next.settled();
    lostNothing(await load.stop(), old, next);
    // And back: from a baton that is a stranger to that network itself.
    await using load2 = pair.load();
    await using last = await startBaton({ ...pair.server("3"), flags: pair.new });
    await alone(last, next);
    await answers(load2, "3");
    assert.equal((await last.reload()).result, "ok");
    lostNothing(await load2.stop(), next, last);
  });

  test("no baton to take over from: starts as the first", { timeout }, async () => {
    using pair = await Pair.make();
    await using baton = await startBaton({ ...pair.server("1"), flags: pair.new });
    assert.match(baton.stderr, /no baton to take over from at .*: starting as the first/);
    const second = await startBaton({
      ...pair.server("1"),
      flags: pair.old,
      expectFailure: true,
    });
    await using _second = second;
    assert.equal((await second.exited).code, 75, second.stderr);
    assert.match(second.stderr, /another baton answers there/);
  });

  test("a new baton that fails its gate leaves the old one alone", { timeout }, async () => {
    using pair = await Pair.make();
    await using old = await startBaton({ ...pair.server("1"), flags: pair.old });
    await using load = pair.load();
    await answers(load, "1");
    const bad: [command: string[], flags: string[], said: RegExp][] = [
      [fixtureCommand("exits_at_once.js"), [], /exit status 3/],
      [fixtureCommand("hangs.js"), ["--ready-timeout", "1s"], /not ready within 1 s/],
      [["/no/such/program"], [], /Cannot find program/],
    ];
    for (const [command, flags, said] of bad) {
      await using failed = await startBaton({
        command,
        env: {},
        flags: [...pair.new, ...flags],
        expectFailure: true,
      });
      const { code } = await failed.exited;
      assert.ok([3, 70, 127].includes(code ?? -1), `${code}: ${failed.stderr}`);
      assert.match(failed.stderr, said);
      assert.doesNotMatch(failed.stderr, /no baton to take over from/, old.stderr);
      await waitUntil(() => old.stderr.includes("takeover failed"), {
        what: "the old one says so",
      });
    }
    assert.equal((await old.reload()).result, "ok", "it steers again");
    // And the socket is still its own.
    await using next = await startBaton({ ...pair.server("2"), flags: pair.new });
    await alone(next, old);
    lostNothing(await load.stop(), old, next);
  });

  test("one that has failed takes nothing, however long its end lasts", { timeout }, async () => {
    using pair = await Pair.make();
    const blocker = new Blocker(pair.work);
    await using old = await startBaton({ ...pair.server("1"), flags: pair.old });
    await using load = pair.load();
    const { ino } = statSync(pair.socket);
    await using failed = await startBaton({
      command: fixtureCommand("exits_at_once.js"),
      env: {},
      flags: [...pair.new, "--hook", `post-stop=${blocker.command}`, "--hook-timeout", "1h"],
      expectFailure: true,
    });
    await blocker.running();
    await waitUntil(() => old.stderr.includes("takeover failed"), { what: "the old one says so" });
    assert.equal((await old.reload()).result, "ok", old.stderr);
    blocker.release();
    assert.equal((await failed.exited).code, 3, failed.stderr);
    assert.doesNotMatch(failed.stderr, /the old baton has ended/);
    assert.equal(statSync(pair.socket).ino, ino, failed.stderr);
    await using next = await startBaton({ ...pair.server("2"), flags: pair.new });
    await alone(next, old);
    lostNothing(await load.stop(), old, next);
  });

  test("one takeover at a time, and none during a reload", { timeout }, async () => {
    using pair = await Pair.make();
    await using old = await startBaton({ ...pair.server("1"), flags: pair.old });
    await using load = pair.load();
    await using next = await startBaton({
      ...pair.gated("2"),
      flags: pair.new,
      expectFailure: true,
    });
    await waitUntil(() => next.stderr.includes("generation 1 starts"), { what: "it starts" });
    await using second = await startBaton({
      ...pair.server("3"),
      flags: pair.new,
      expectFailure: true,
    });
    assert.equal((await second.exited).code, 70, second.stderr);
    assert.match(second.stderr, /another upgrade is under way/);
    writeFileSync(pair.gate, "");
    await alone(next, old);
    lostNothing(await load.stop(), old, next, second);
  });

  test("--parent-shutdown-time ends an old baton that still drains", { timeout }, async () => {
    using pair = await Pair.make();
    await using old = await startBaton({ ...pair.server("1"), flags: pair.old });
    using slow = new SlowRequest(pair.port);
    await slow.isSeenBy(old);
    await using next = await startBaton({
      ...pair.server("2"),
      flags: [...pair.new, "--parent-shutdown-time", "500ms"],
    });
    await alone(next, old);
    assert.doesNotMatch(await slow.finish(), /version/, "it was cut");
  });
});
