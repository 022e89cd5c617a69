/**
 * The promise: commands of the user's run at their moments, in order, and know what they are about. `pre-start` and
 * `ready` can veto; nothing else can, and `pre-drain` holds up a drain, never a switch.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, type BatonOptions, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { Blocker, HookLog } from "../support/hook_log.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { Load } from "../support/load.ts";
import { alive } from "../support/proc.ts";
import { fixtureCommand } from "../support/servers.ts";
import { servingPidOf } from "../support/serving_pid.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const EXIT_FAILED = 70;
const HOOKS = ["pre-start", "ready", "pre-drain", "post-stop", "on-rollback"];

function server(port: number, ...flags: string[]): BatonOptions {
  return { command: fixtureCommand("node_http.js"), env: { PORT: String(port) }, flags };
}

function reloads(baton: Baton): Promise<number | null> {
  return baton.cli("reload").then(({ code }) => code);
}

/** Waits for a generation in this state. */
function oldIs(baton: Baton, state: string): Promise<unknown> {
  return waitUntil(
    async () => (await baton.status()).generations.some((old) => old.state === state),
    { what: `a generation is ${state}` },
  );
}

describe("--hook", () => {
  test("each is told what it is about, in the order of a life", TEST, async () => {
    using work = tempDir();
    const log = new HookLog(work);
    const script = work.write("check", `${log.command}\n`);
    const flags = HOOKS.flatMap((name) => ["--hook", `${name}=${log.command}`]);
    const preFlight = `. ${script}`;
    await using baton = await startBaton(
      server(await freePort(), ...flags, "--pre-flight", preFlight),
    );
    const first = await servingPidOf(baton);
    assert.equal(await reloads(baton), 0);
    const second = await servingPidOf(baton);
    await log.line(/^post-stop/);
    work.write("check", `${log.command}\nfalse\n`);
    assert.equal(await reloads(baton), EXIT_FAILED);
    await log.line(/^on-rollback/);
    work.write("check", `${log.command}\n`);
    process.kill(second, "SIGKILL");
    const third = await waitUntil(
      async () => (await baton.status()).epoch === 3 && await servingPidOf(baton),
      { what: "the next one serves" },
    );
    await log.line(/crashed$/);
    assert.equal((await baton.stop()).code, 0, baton.stderr);

    const failed = `pre-flight "${preFlight}" failed: exit status 1`;
    const crashed = log.lines.filter((line) => line.endsWith("crashed"));
    assert.deepEqual(log.lines.filter((line) => !line.endsWith("crashed")), [
      `pre-flight 0 - - - start`,
      `pre-start 0 - - - start`,
      `ready 0 ${first} - - start`,
      `pre-flight 1 - 0 ${first} reload`,
      `pre-start 1 - 0 ${first} reload`,
      `ready 1 ${second} 0 ${first} reload`,
      `pre-drain 1 ${second} 0 ${first} reload`,
      `post-stop 1 ${second} 0 ${first} superseded`,
      `pre-flight 2 - 1 ${second} reload`,
      `on-rollback 2 - 1 ${second} ${failed}`,
      // Started as generation 1 was, and not from the files that have just failed.
      `pre-start 3 - - - crash`,
      `ready 3 ${third} - - crash`,
      `pre-drain - - 3 ${third} stop`,
      `post-stop - - 3 ${third} stopped`,
    ]);
    // Beside the start of the next one: nobody waits for it.
    assert.match(
      crashed.join("\n"),
      new RegExp(`^post-stop (- -|3 ${third}) 1 ${second} crashed$`),
    );
  });

  test(
    "several of one name run in order; a failure ends vetoes only",
    TEST,
    async () => {
      using work = tempDir();
      const log = new HookLog(work);
      const say = (word: string) => `echo ${word} >> ${work.join("hooks.log")}`;
      const flags = [
        `pre-start=${say("a")}`,
        `pre-start=${say("b")}; test $BATON_EPOCH = 0`,
        `pre-start=${say("c")}`,
        `on-rollback=${say("x")}; exit 5`,
        `on-rollback=${say("y")}`,
      ].flatMap((hook) => ["--hook", hook]);
      await using baton = await startBaton(server(await freePort(), ...flags));
      assert.equal(await reloads(baton), EXIT_FAILED);
      await log.line(/^y$/);
      assert.deepEqual(log.lines, ["a", "b", "c", "a", "b", "x", "y"]);
      assert.match(baton.stderr, /warn: on-rollback "echo x .*" failed: exit status 5/);
    },
  );

  for (const veto of ["pre-start", "ready"]) {
    test(
      `${veto} vetoes by its exit status: the old one is not touched`,
      TEST,
      async () => {
        const port = await freePort();
        const hook = `${veto}=test $BATON_EPOCH = 0 || { echo I say no; exit 9; }`;
        await using baton = await startBaton(server(port, "--hook", hook));
        const pid = await servingPidOf(baton);
        await using load = new Load({ port, clients: 2 }).start();
        await load.answersMore(10);
        const { code, stderr } = await baton.cli("reload");
        assert.equal(code, EXIT_FAILED, stderr);
        assert.match(
          stderr,
          new RegExp(`generation 1: ${veto} "test .*" failed: exit status 9\\n`),
        );
        assert.match(stderr, /its last output:\n {2}I say no\n$/);
        const { epoch, lastReload } = await baton.settled();
        assert.deepEqual([epoch, lastReload?.failedIn], [0, veto]);
        await load.answersMore(10);
        const tally = await load.stop();
        assert.deepEqual(
          [tally.lost, [...tally.byBody.keys()]],
          [0, [pid]],
          "nobody else answered",
        );
      },
    );
  }

  test(
    "pre-drain holds up the drain, and not the switch",
    TEST,
    async () => {
      using work = tempDir();
      const blocker = new Blocker(work);
      const port = await freePort();
      // The time of the drain itself begins only then.
      const flags = ["--hook", `pre-drain=${blocker.command}`, "--drain-time", "0"];
      await using baton = await startBaton(server(port, ...flags));
      const old = await servingPidOf(baton);
      const { code, stderr } = await baton.cli("reload");
      assert.equal(code, 0, stderr);
      await blocker.running();
      const answer = await new Load({ port, clients: 1, maxRequests: 1 }).start().finished();
      assert.deepEqual(
        [...answer.byBody.keys()],
        [await servingPidOf(baton)],
        "the new one answers",
      );
      assert.notEqual(await servingPidOf(baton), old);
      const { generations, lastReload } = await baton.status();
      assert.equal(generations[0]?.state, "draining");
      assert.equal(lastReload?.phases.at(-1)?.phase, "pre-drain");
      assert.ok(alive(old));
      blocker.release();
      const { lastReload: after } = await baton.settled();
      const departure = after?.phases.filter(({ epoch }) => epoch === 0).map(({ phase }) => phase);
      assert.deepEqual(departure, ["pre-drain", "draining", "stopping"]);
    },
  );

  test("pre-drain is waited for at a stop, until baton is told so once more", TEST, async () => {
    using work = tempDir();
    const blocker = new Blocker(work);
    const port = await freePort();
    const flags = ["--hook", `pre-drain=${blocker.command}`, "--hook-timeout", "1h"];
    await using baton = await startBaton(server(port, ...flags));
    const pid = await servingPidOf(baton);
    baton.signal("SIGTERM");
    await blocker.running();
    assert.ok(alive(pid));
    const answer = await new Load({ port, clients: 1, maxRequests: 1 }).start().finished();
    assert.equal(answer.lost, 0, "it serves on until then");
    const slow = { port, path: "/slow?ms=50000", clients: 1, maxRequests: 1 };
    await using _load = new Load(slow).start();
    await waitUntil(
      async () => (await baton.status()).generations[0]?.connections.busy === 1,
      { what: "one is in flight" },
    );
    baton.signal("SIGTERM");
    assert.equal((await baton.exited).code, 124, baton.stderr);
    assert.match(baton.stderr, /generation 0 exited cut=1$/m, "what that cuts is counted");
    await blocker.gone();
  });

  test(
    "post-stop has its time at the end, until baton is told to stop once more",
    TEST,
    async () => {
      using work = tempDir();
      const [log, blocker] = [new HookLog(work), new Blocker(work)];
      const hook = `post-stop=${log.command}; ${blocker.command}`;
      const flags = ["--hook", hook, "--hook-timeout", "1h"];
      await using baton = await startBaton(server(await freePort(), ...flags));
      const pid = await servingPidOf(baton);
      baton.signal("SIGTERM");
      await blocker.running();
      assert.ok(!alive(pid));
      assert.deepEqual(log.lines, [`post-stop - - 0 ${pid} stopped`]);
      assert.ok(alive(baton.pid), "baton waits");
      baton.signal("SIGTERM");
      assert.equal((await baton.exited).code, 0, baton.stderr);
      await blocker.gone();
    },
  );

  test(
    "a hook that hangs is killed with all that it has started, and is logged",
    TEST,
    async () => {
      using work = tempDir();
      const blocker = new Blocker(work);
      const flags = ["--hook", `pre-drain=${blocker.command}`, "--hook-timeout", "2s"];
      await using baton = await startBaton(server(await freePort(), ...flags));
      assert.equal(await reloads(baton), 0);
      await baton.settled();
      await blocker.gone();
      assert.match(baton.stderr, /pre-drain ".*" failed: not over within 2s \(--hook-timeout\)/);
    },
  );

  test("what a hook leaves behind ends with it", TEST, async () => {
    using work = tempDir();
    const leaves = `ready=sleep 1000 & echo $! > ${work.join("pid")}`;
    await using _baton = await startBaton(server(await freePort(), "--hook", leaves));
    const pid = Number(readFileSync(work.join("pid"), "utf8"));
    await waitUntil(() => !alive(pid), { what: `sleep (${pid}) has ended` });
  });

  test(
    "on-rollback is told once of a generation that was rolled back",
    TEST,
    async () => {
      using work = tempDir();
      const log = new HookLog(work);
      const flags = ["on-rollback", "pre-drain"].flatMap((
        name,
      ) => ["--hook", `${name}=${log.command}`]);
      await using baton = await startBaton(server(await freePort(), ...flags, "--bake", "1h"));
      const first = await servingPidOf(baton);
      const reload = baton.reload();
      await oldIs(baton, "baking");
      const { generations } = await baton.status();
      const second = generations[1]?.pid;
      assert.equal((await baton.cli("rollback")).code, 0, baton.stderr);
      const { result, failedIn, phases } = await reload;
      assert.deepEqual([result, failedIn, phases.at(-1)?.phase], ["failed", "baking", "baking"]);
      await oldIs(baton, "exited");
      const { lastReload } = await baton.settled();
      assert.deepEqual([lastReload?.failedIn, lastReload?.replaced], ["baking", null]);
      await log.line(/^on-rollback/);
      assert.equal((await baton.stop()).code, 0, "which waits for all that are to be told");
      assert.deepEqual(log.lines.filter((line) => !/stop$/.test(line)).sort(), [
        `on-rollback 1 ${second} 0 ${first} asked for`,
        `pre-drain 0 ${first} 1 ${second} rollback`,
      ]);
    },
  );

  test("an upgrade in place waits for hooks that run", TEST, async () => {
    using work = tempDir();
    const blocker = new Blocker(work);
    const hook = `post-stop=test -n "$BATON_EPOCH" || exit 0; ${blocker.command}; exit 7`;
    await using baton = await startBaton(server(await freePort(), "--hook", hook));
    assert.equal(await reloads(baton), 0);
    const pids = await blocker.running();
    const upgrade = baton.cli("upgrade", "--in-place");
    const trial = await waitUntil(() => /tries .*, pid (\d+)/.exec(baton.stderr)?.[1], {
      what: "it is tried",
    });
    await waitUntil(() => !alive(Number(trial)), { what: "the trial is over" });
    for (let look = 0; look < 20; look++) assert.equal((await baton.status()).incarnation, 0);
    assert.ok(pids.every(alive));
    blocker.release();
    await waitUntil(() => /warn: post-stop ".*" failed: exit status 7/.test(baton.stderr), {
      what: "its end is seen by who has started it",
    });
    assert.equal((await upgrade).code, 0, baton.stderr);
    assert.equal((await baton.status()).incarnation, 1);
    await blocker.gone();
  });
});

describe("lastReload", () => {
  test(
    "tells what became of the old connections, once they are gone",
    TEST,
    async () => {
      using dir = tempDir();
      const port = await freePort();
      await using baton = await startBaton({
        command: fixtureCommand("held_answers.js"),
        env: { PORT: String(port), RELEASE: dir.join("release") },
      });
      const held = { port, path: "/hold", clients: 3, maxRequests: 3 };
      await using load = new Load(held).start();
      await waitUntil(
        async () => (await baton.status()).generations[0]?.connections.busy === 3,
        { what: "three are in flight" },
      );
      assert.equal(await reloads(baton), 0);
      assert.equal((await baton.status()).lastReload?.connections, null, "not known yet");
      dir.write("release", "");
      assert.equal((await load.finished()).lost, 0);
      const { lastReload } = await baton.settled();
      assert.deepEqual(lastReload?.connections, { finished: 3, cut: 0, undecided: 0, moved: 0 });
      const { stdout } = await baton.cli("status");
      assert.match(
        stdout,
        /generation 0: draining \d+ ms, stopping \d+ ms; connections: 3 finished/,
      );
    },
  );
});
