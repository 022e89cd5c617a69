/**
 * The promise: what stands in the way of a reload costs nothing, whatever becomes of it. Under load: a veto, a
 * refusal for want of memory, a command that hangs while baton is told to stop, and a baton that is killed meanwhile.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { type BatonOptions, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { Blocker } from "../support/hook_log.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { alive, children } from "../support/proc.ts";
import { fixtureCommand } from "../support/servers.ts";
import { servingPidOf } from "../support/serving_pid.ts";
import { Succession } from "../support/succession.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const RELOADS = 3;

function server(port: number, ...flags: string[]): BatonOptions {
  return { command: fixtureCommand("node_http.js"), env: { PORT: String(port) }, flags };
}

/** Reloads that must all fail, under load: only the first generation has answered, and everybody. */
async function failsUnderLoad(
  flags: readonly string[],
  reason: RegExp,
  reloads = RELOADS,
): Promise<void> {
  const port = await freePort();
  await using baton = await startBaton(server(port, ...flags));
  const pid = await servingPidOf(baton);
  await using load = new Load({ port }).start();
  for (let reload = 1; reload <= reloads; reload++) {
    await load.answersMore(50);
    const { result, reason: told } = await baton.reload();
    assert.equal(result, "failed");
    assert.match(told ?? "", reason);
  }
  await load.answersMore(50);
  const tally = await load.stop();
  assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
  assert.deepEqual([...tally.byBody.keys()], [pid], "nobody else has answered");
  const { restarts } = await baton.settled();
  assert.deepEqual(restarts, { ok: 0, failed: reloads, crashes: 0 });
  await waitUntil(() => children(baton.pid).every((child) => child === pid), {
    what: "nothing is left of the others",
  });
}

describe("under load nothing is lost", () => {
  test("when the last hook before the switch says no, again and again", TEST, async () => {
    const flags = ["--hook", "ready=test $BATON_EPOCH = 0"];
    await failsUnderLoad(flags, /^ready "test \$BATON_EPOCH = 0" failed: exit status 1$/);
  });

  test("when there is no memory for a second copy", TEST, async () => {
    await failsUnderLoad(["--min-free", "1000T"], /^too little memory for a second copy: /);
  });

  test("when a pre-flight hangs, and a second one after it", TEST, async () => {
    using work = tempDir();
    const blocker = new Blocker(work);
    const hangs = `test $BATON_EPOCH = 0 || { ${blocker.command}; }`;
    const flags = ["--pre-flight", hangs, "--hook-timeout", "2s"];
    await failsUnderLoad(flags, /failed: not over within 2s \(--hook-timeout\)$/, 2);
    await blocker.gone();
  });

  test("when baton is told to stop while a pre-flight hangs", TEST, async () => {
    using work = tempDir();
    const blocker = new Blocker(work);
    const port = await freePort();
    const hangs = `test $BATON_EPOCH = 0 || { ${blocker.command}; }`;
    const flags = ["--pre-flight", hangs, "--hook-timeout", "1h"];
    await using baton = await startBaton(server(port, ...flags));
    const slow = { port, path: "/slow?ms=700", clients: 4, maxRequests: 4 };
    await using load = new Load(slow).start();
    await waitUntil(
      async () => (await baton.status()).generations[0]?.connections.busy === 4,
      { what: "four are in flight" },
    );
    const reload = baton.reload();
    await blocker.running();
    baton.signal("SIGTERM");
    assert.equal((await reload).result, "refused");
    await blocker.gone();
    assert.equal((await baton.exited).code, 0, baton.stderr);
    assert.equal((await load.finished()).lost, 0, baton.stderr);
  });
});

describe("baton is killed", () => {
  for (
    const [what, flag, at] of [
      ["a pre-flight", "--pre-flight", ""],
      ["a veto hook", "--hook", "ready="],
    ]
  ) {
    test(`while ${what} runs: its shell ends with baton`, TEST, async () => {
      using work = tempDir();
      const file = work.join("pid");
      const command = `echo $$ > ${file}.new; mv ${file}.new ${file}; read x < ${work.join("f")}`;
      execFileSync("mkfifo", [work.join("f")]);
      const options = server(await freePort(), flag ?? "", `${at}${command}`);
      await using baton = await startBaton({ ...options, expectFailure: true });
      await waitUntil(() => existsSync(file), { what: "it runs" });
      const pid = Number(readFileSync(file, "utf8"));
      process.kill(baton.pid, "SIGKILL");
      await waitUntil(() => !alive(pid), { what: `its shell (${pid}) has ended` });
    });
  }

  test("while a pre-flight runs, with --survive: the next baton continues", TEST, async () => {
    using work = tempDir();
    using dir = tempDir();
    const blocker = new Blocker(work);
    const port = await freePort();
    const hangs = `test $BATON_EPOCH = 0 || test -e ${work.join("now")} || { ${blocker.command}; }`;
    await using batons = new Succession({ ...server(port), dir });
    const flags = ["--survive", "--pre-flight", hangs];
    const killed = await batons.next(flags);
    const pid = await servingPidOf(killed);
    await using load = new Load({ port, clients: 2 }).start();
    const reload = killed.reload().catch(() => null);
    const [shell = 0] = await blocker.running();
    await batons.kill();
    assert.equal(await reload, null, "nobody is there to answer");
    await waitUntil(() => !alive(shell), { what: "the pre-flight's shell has ended" });
    blocker.release();
    const next = await batons.next(flags);
    assert.equal(await servingPidOf(next), pid, "the same server");
    work.write("now", "");
    assert.equal((await next.reload()).result, "ok", next.stderr);
    const tally = await load.stop();
    assert.equal(tally.lost, 0, `${formatTally(tally)}\n${next.stderr}`);
    assert.equal((await next.stop()).code, 0);
    assert.deepEqual(batons.left, []);
    await blocker.gone();
  });
});
