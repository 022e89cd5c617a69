/**
 * The promise of `--workers`: a worker that dies loses the requests that it has in its hands, and nothing else: not what
 * waits in its queue, not what other workers have, whatever baton does at that moment.
 */
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { CLIENTS, LinesService } from "../support/lines_service.ts";
import { alive } from "../support/proc.ts";
import { which } from "../support/programs.ts";
import { IS_FULL, repeats } from "../support/repeats.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const KILLS = repeats({ full: 20, quick: 1 });
const skip = which("python3") === null && "python3 is not installed";
const TEST = { timeout: TEST_TIMEOUT_MS, skip };

describe("kill -9 of a worker", () => {
  for (const rolling of [false, true]) {
    const when = rolling ? "during rolling reloads" : "during reloads";
    test(`loses only what it has in its hands, ${when}`, TEST, async () => {
      await using run = await LinesService.start(rolling ? ["--rolling"] : []);
      const { baton, clients } = run;
      let inHands = 0;
      // One that has just started may have none yet.
      for (let i = 0; i < KILLS || inHands === 0; i++) {
        const reload = baton.reload();
        await clients.answersMore(Math.ceil(Math.random() * 40));
        inHands += await run.kill();
        await reload;
        await run.complete();
      }
      await run.assertLostOnly();
    });
  }

  test("loses only what it has in its hands, while nothing else happens", TEST, async () => {
    await using run = await LinesService.start([]);
    for (let i = 0; i < repeats({ full: 5, quick: 1 }); i++) {
      await run.kill();
      await run.complete();
      await run.clients.answersMore(2 * CLIENTS);
    }
    await run.assertLostOnly();
    const { generations } = await run.baton.status();
    assert.deepEqual(generations.map(({ epoch }) => epoch), [0], "it was replaced by itself");
  });
});

describe("a worker that is no good", () => {
  test("crashes in a loop: the others serve, and it comes back once it can", TEST, async () => {
    using work = tempDir();
    const dies = work.join("dies");
    const flags = ["--crash-delay", "50ms", "--crash-delay-max", "200ms", "--crash-limit", "3"];
    await using run = await LinesService.start(flags, { env: { DIES: dies } });
    writeFileSync(dies, "");
    const [first] = await run.views();
    await run.kill(first!.pid!);
    await waitUntil(async () => (await run.views())[0]!.restarts > 4, {
      what: "worker 0 was started more often than --crash-limit",
    });
    await run.clients.answersMore(2 * CLIENTS);
    rmSync(dies);
    await run.complete();
    const views = await run.views();
    assert.deepEqual(views.slice(1).map(({ restarts }) => restarts), [0, 0, 0]);
    await run.assertLostOnly();
  });

  for (
    const [what, variable, flags, expected] of [
      ["never listens", "HANGS", ["--ready-timeout", "5s"], /worker 0.*listen/s],
      ["exits at its start", "DIES", [], /worker 0 exited: exit status 7/],
    ] as const
  ) {
    const options = IS_FULL || variable === "DIES" ? TEST : { skip: "waits for --ready-timeout" };
    test(`${what}: the reload fails and names it, the old ones serve`, options, async () => {
      using work = tempDir();
      const file = work.join("file");
      await using run = await LinesService.start(flags, { env: { [variable]: file } });
      const before = run.workers;
      writeFileSync(file, "");
      const { result, reason } = await run.baton.reload();
      assert.equal(result, "failed");
      assert.match(String(reason), expected, run.baton.stderr);
      await run.baton.settled();
      assert.deepEqual(run.workers, before);
      await run.clients.answersMore(2 * CLIENTS);
      await run.assertLostOnly();
    });
  }

  test("hangs: --live replaces it alone, by force", TEST, async () => {
    // One that is stopped says no hello.
    const live = ["--live", "tcp", "--check-receive", "hello", "--check-interval", "100ms"];
    const flags = [...live, "--check-timeout", "2s", "--unhealthy-threshold", "1"];
    await using run = await LinesService.start([...flags, "--stop-time", "200ms"], {
      drainTime: "1s",
    });
    const before = await run.views();
    const { pid, number } = before[2]!;
    await run.hang(pid!);
    await waitUntil(() => !alive(pid!), {
      what: `worker ${number} is killed\n${run.baton.stderr}`,
    });
    await run.complete();
    const after = await run.views();
    assert.deepEqual(after.map(({ restarts }) => restarts), [0, 0, 1, 0]);
    await run.clients.answersMore(2 * CLIENTS);
    await run.assertLostOnly();
    assert.deepEqual((await run.baton.status()).epoch, 0);
  });
});
