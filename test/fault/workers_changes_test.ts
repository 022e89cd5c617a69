/** Several things at once that change workers: nothing is lost but what a killed worker had in its hands. */
import assert from "node:assert/strict";
import process from "node:process";
import { rmSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { LineClients } from "../support/line_clients.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { CLIENTS, LinesService } from "../support/lines_service.ts";
import { alive, killTree } from "../support/proc.ts";
import { which } from "../support/programs.ts";
import { IS_FULL, repeats } from "../support/repeats.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const noPython = which("python3") === null && "python3 is not installed";
const TEST = { timeout: TEST_TIMEOUT_MS, skip: noPython };
const FULL = {
  timeout: TEST_TIMEOUT_MS,
  skip: noPython || !IS_FULL && "part of make test-all",
};
const MOMENTS = repeats({ full: 10, quick: 1 });

/** Answers until something happens. */
const atAnyMoment = (most: number) => Math.ceil(Math.random() * most);

describe("kill -9 of baton with --survive", () => {
  test("while the number of workers changes", FULL, async () => {
    await using run = await LinesService.start(["--survive"], { workers: 2 });
    for (let i = 0; i < MOMENTS; i++) {
      const wanted = i % 2 === 0 ? 4 : 2;
      const scale = run.baton.cli("scale", String(wanted));
      await waitUntil(async () => (await run.baton.status()).workers.wanted === wanted, {
        what: "baton has been asked",
      });
      if (i > 0) await run.clients.answersMore(atAnyMoment(60));
      await run.killBaton();
      await scale;
      await run.complete(wanted);
      await run.clients.answersMore(2 * CLIENTS);
    }
    await run.assertLostOnly();
    const { code, stderr } = await run.baton.cli("upgrade", "--in-place");
    assert.equal(code, 0, `no change of the number is left\n${stderr}\n${run.baton.stderr}`);
  });

  test("during a rolling reload", FULL, async () => {
    await using run = await LinesService.start(["--survive", "--rolling"]);
    for (let i = 0; i < MOMENTS; i++) {
      const reload = run.baton.reload().catch(() => {});
      await run.clients.answersMore(i === 0 ? CLIENTS : atAnyMoment(300));
      await run.killBaton();
      await reload;
      await run.complete();
    }
    assert.equal((await run.baton.reload()).result, "ok", run.baton.stderr);
    await run.complete();
    await run.assertLostOnly();
  });
});

describe("with a worker that crashes in a loop", () => {
  // Its second exit in a row is followed by a pause that is longer than the test.
  const CRASHES = ["--crash-delay", "300s", "--crash-delay-max", "300s"];
  const isDown = async (run: LinesService) => {
    const [first] = await run.views();
    return first!.restarts === 1 && first!.state === "exited";
  };

  for (const how of ["--rolling", "--bake=0"]) {
    test(`a reload ${how} replaces all of them`, FULL, async () => {
      using work = tempDir();
      const dies = work.join("dies");
      await using run = await LinesService.start(["--crash-delay", "50ms"], {
        env: { DIES: dies },
      });
      writeFileSync(dies, "");
      await run.kill((await run.views())[0]!.pid!);
      await waitUntil(async () => (await run.views())[0]!.restarts > 6, {
        what: "worker 0 crashes in a loop",
      });
      rmSync(dies);
      const words = how === "--rolling" ? [how] : [];
      const { code, stderr } = await run.baton.cli("reload", ...words);
      assert.equal(code, 0, `${stderr}\n${run.baton.stderr}`);
      await run.complete();
      await run.assertLostOnly();
    });
  }

  test("a change of the number is answered, and the last one that serves stays", FULL, async () => {
    using work = tempDir();
    const dies = work.join("dies");
    await using run = await LinesService.start(CRASHES, { env: { DIES: dies }, workers: 2 });
    writeFileSync(dies, "");
    await run.kill((await run.views())[0]!.pid!);
    await waitUntil(() => isDown(run), { what: "worker 0 crashes in a loop" });
    for (const [number, left] of [["3", 3], ["1", 2]] as const) {
      const { code, stderr } = await run.baton.cli("scale", number);
      assert.equal(code, 0, `${stderr}\n${run.baton.stderr}`);
      assert.equal((await run.views()).length, left);
    }
    await run.clients.answersMore(CLIENTS);
    // Who waits in the queue of worker 0 waits for its next start.
    await run.assertLostOnly({ orUnaccepted: true });
  });
});

describe("kill -9 of a worker", () => {
  test("that drains, because fewer are wanted", TEST, async () => {
    await using run = await LinesService.start([]);
    for (let i = 0; i < MOMENTS; i++) {
      const [last] = (await run.complete()).slice(-1);
      process.kill(last!.pid!, "SIGSTOP");
      await run.clients.answersMore(CLIENTS);
      const scale = run.baton.cli("scale", "3");
      await waitUntil(async () => (await run.views()).at(-1)?.state === "draining", {
        what: "worker 3 drains",
      });
      await run.kill(last!.pid!);
      const { code, stderr } = await scale;
      assert.equal(code, 0, `${stderr}\n${run.baton.stderr}`);
      await run.complete(3);
      await run.baton.cli("scale", "4");
    }
    await run.assertLostOnly();
  });

  const TRIALS = [["canary", "50"], ["ramp", "60s"], ["bake", "60s"]] as const;
  for (const [how, value] of TRIALS) {
    for (const which of ["new", "old"] as const) {
      test(`that is ${which}, during --${how}`, FULL, async () => {
        await using run = await LinesService.start([]);
        const [before] = await run.complete();
        const reload = run.baton.cli("reload", `--${how}`, value);
        await waitUntil(async () => (await run.baton.status()).trial !== null, {
          what: `the trial begins\n${run.baton.stderr}`,
        });
        await run.clients.answersMore(2 * CLIENTS);
        const { generations } = await run.baton.status();
        const baking = generations.find(({ state }) => state === "baking")!;
        const [victim] = which === "new" ? baking.workers : [before!];
        await run.kill(victim!.pid!);
        if (which === "old") {
          await waitUntil(async () => (await run.views())[0]!.restarts === 1, {
            what: `it is replaced\n${run.baton.stderr}`,
          });
          assert.equal((await run.baton.cli("promote")).code, 0, run.baton.stderr);
        }
        await reload;
        await run.complete();
        assert.equal((await run.baton.status()).epoch, which === "new" ? 0 : 1);
        await run.assertLostOnly();
      });
    }
  }

  test("during an upgrade by a new process", FULL, async () => {
    await using run = await LinesService.start([]);
    const upgrade = run.baton.cli("upgrade");
    await run.clients.answersMore(atAnyMoment(40));
    await run.kill(run.workers[0]!);
    const { code, stderr } = await upgrade;
    const { pid } = await run.baton.status();
    try {
      assert.equal(code, 0, `${stderr}\n${run.baton.stderr}`);
      await waitUntil(() => pid === run.baton.pid || !alive(run.baton.pid), {
        what: "the old baton ends",
      });
      await run.complete();
      await run.assertLostOnly();
    } finally {
      if (pid !== run.baton.pid) killTree(pid);
    }
  });
});

describe("workers", () => {
  test("one that closes its listener is replaced alone", TEST, async () => {
    await using run = await LinesService.start([]);
    const before = await run.complete();
    process.kill(before[1]!.pid!, "SIGUSR1");
    await waitUntil(async () => (await run.views())[1]!.restarts === 1, {
      what: `worker 1 is replaced\n${run.baton.stderr}`,
    });
    const after = await run.complete();
    assert.deepEqual(after.map(({ restarts }) => restarts), [0, 1, 0, 0]);
    assert.equal((await run.baton.status()).epoch, 0);
    await run.assertLostOnly();
  });

  test(
    "many signals for more and fewer, reloads among them, and a stop at last",
    FULL,
    async () => {
      await using run = await LinesService.start(["--rolling"], { workers: 1 });
      const { baton } = run;
      for (let i = 0; i < 5; i++) baton.signal("SIGTTIN");
      await waitUntil(async () => (await baton.status()).workers.wanted > 1, { what: "it grows" });
      const { wanted } = (await baton.status()).workers;
      await run.complete(wanted);
      for (let i = 0; i < 7; i++) {
        await baton.cli("scale", "-1");
      }
      await run.complete(1);
      assert.equal((await baton.status()).workers.wanted, 1);
      await baton.cli("scale", "4");
      const reloads = [baton.reload(), baton.reload()];
      baton.signal("SIGHUP");
      for (const { result } of await Promise.all(reloads)) assert.equal(result, "ok", baton.stderr);
      await run.complete();
      const scale = baton.cli("scale", "6");
      await waitUntil(async () => (await baton.status()).workers.wanted === 6, {
        what: "it grows",
      });
      await run.clients.answersMore(2 * CLIENTS);
      const stopped = run.clients.stop();
      assert.deepEqual(await baton.stop(), { code: 0, signal: null }, baton.stderr);
      const { lost } = await stopped;
      assert.deepEqual(lost.filter(({ pid }) => pid !== null), [], baton.stderr);
      await scale;
    },
  );

  test("another baton takes over with fewer of them", FULL, async () => {
    using work = tempDir();
    const port = await freePort();
    const start = (workers: number, ...flags: string[]) =>
      startBaton({
        command: fixtureCommand("worker_lines.py"),
        env: { PORT: String(port) },
        flags: [
          "--workers",
          String(workers),
          "--quiet",
          "10s",
          "--handoff-socket",
          work.join("handoff"),
          ...flags,
        ],
      });
    await using old = await start(4);
    const clients = new LineClients(port, CLIENTS);
    await clients.answersMore(2 * CLIENTS);
    await using next = await start(2, "--takeover", work.join("handoff"));
    assert.deepEqual(await old.exited, { code: 0, signal: null }, old.stderr);
    await clients.answersMore(4 * CLIENTS);
    const { lost } = await clients.stop();
    assert.deepEqual(lost, [], `${old.stderr}\n${next.stderr}`);
    const { generations } = await next.status();
    const serving = generations.find(({ state }) => state === "serving");
    assert.deepEqual(serving?.workers.map(({ state }) => state), ["serving", "serving"]);
  });

  test("fewer, and then a reload, while clients keep their connections", FULL, async () => {
    await using run = await LinesService.start(["--keep-alive", "migrate"], { clients: 64 });
    for (let i = 0; i < MOMENTS; i++) {
      const scale = run.baton.cli("scale", "3");
      await waitUntil(async () => (await run.baton.status()).workers.wanted === 3, {
        what: "baton has been asked",
      });
      const { result } = await run.baton.reload();
      assert.equal(result, "ok", run.baton.stderr);
      await scale;
      await run.complete(3);
      await run.baton.cli("scale", "4");
      await run.complete();
    }
    await run.assertLostOnly();
  });
});
