/**
 * The promise of --udp switch: each datagram is answered once, by the serving generation, whatever happens to the others,
 * although the server knows nothing of SO_REUSEPORT.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, type BatonOptions, startBaton } from "../support/baton.ts";
import { answerer, askDatagram, DatagramClient } from "../support/datagram_client.ts";
import { DatagramLoad } from "../support/datagram_load.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { members, python, reload } from "../support/listening.ts";
import { stopForGood } from "../support/proc.ts";
import { fixture } from "../support/programs.ts";
import { IS_FULL, repeats } from "../support/repeats.ts";
import { servingPidOf } from "../support/serving_pid.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const RELOADS = repeats({ full: 10, quick: 1 });
const CLIENTS = 24;
const TIMEOUT = { timeout: TEST_TIMEOUT_MS };
const SWITCH = ["--udp", "switch"];

function echo(port: number, env: Record<string, string> = {}, flags = SWITCH): BatonOptions {
  return {
    command: python(fixture("udp_echo.py")),
    env: { PORT: String(port), ...env },
    flags,
  };
}

/** Stops the load, and checks that nothing is without an answer. */
async function assertAllAnswered(load: DatagramLoad, baton: Baton): Promise<void> {
  await load.stop();
  assert.equal(load.answered, load.sent, `${load.text}\n${baton.stderr}`);
}

const KINDS: Record<string, Record<string, string>> = {
  ...IS_FULL ? { "UDP only": {} } : {},
  "UDP and TCP": { TCP: "1" },
  "two workers, each with SO_REUSEPORT": { WORKERS: "2" },
};

describe("--udp switch", () => {
  for (const [kind, env] of Object.entries(KINDS)) {
    test(`${kind}: all is answered at a reload`, TIMEOUT, async () => {
      const port = await freePort();
      await using baton = await startBaton(echo(port, env));
      await using load = new DatagramLoad(port, CLIENTS);
      const workers = Math.max(1, Number(env["WORKERS"] ?? 0));
      const haveAnswered = (generations: number) =>
        waitUntil(() => load.byPid.size === generations * workers, {
          what: `${generations * workers} processes have answered`,
        });
      await haveAnswered(1);
      for (let i = 1; i <= RELOADS; i++) {
        // The generation before may still drain.
        assert.equal((await baton.reload()).result, "ok", baton.stderr);
        await haveAnswered(i + 1);
      }
      await assertAllAnswered(load, baton);
      if (!IS_FULL) return;
      await baton.settled();
      const { [`udp:127.0.0.1:${port}`]: there } = await members(baton);
      assert.deepEqual(there, { yes: workers, no: 0 });
    });
  }

  test("a generation that fails has got nothing", TIMEOUT, async () => {
    using dir = tempDir();
    const [port, failure] = [await freePort(), dir.join("fail")];
    const flags = [...SWITCH, "--ready", "log:^serving"];
    await using baton = await startBaton(echo(port, { FAIL_IF: failure }, flags));
    const pid = await servingPidOf(baton);
    await using load = new DatagramLoad(port, CLIENTS);
    dir.write("fail", "");
    assert.equal((await baton.reload()).result, "failed");
    await load.answersOf(pid);
    await assertAllAnswered(load, baton);
    assert.deepEqual([...load.byPid.keys()], [pid]);
  });

  test("after a crash its replacement answers what was in the queue", TIMEOUT, async () => {
    const port = await freePort();
    await using baton = await startBaton(echo(port));
    const pid = await servingPidOf(baton);
    await stopForGood(pid);
    const answers = Array.from({ length: 10 }, (_, i) => askDatagram(port, String(i)));
    await waitUntil(async () => {
      const [listener] = (await baton.status()).listeners;
      return (listener?.members[0]?.backlog ?? 0) > 0;
    }, { what: "they wait" });
    process.kill(pid, "SIGKILL");
    const by = (await Promise.all(answers)).map(answerer);
    const { generations } = await baton.settled();
    assert.deepEqual([...new Set(by)], [generations.at(-1)?.pid], baton.stderr);
  });

  test(
    "--order stop-first: they wait from the end of one to the start of the next",
    TIMEOUT,
    async () => {
      const port = await freePort();
      await using baton = await startBaton(echo(port, {}, [...SWITCH, "--order", "stop-first"]));
      await using load = new DatagramLoad(port, CLIENTS);
      for (let i = 0; i < RELOADS; i++) {
        await reload(baton);
        await load.answersOf(await servingPidOf(baton));
      }
      await assertAllAnswered(load, baton);
    },
  );

  test("a socket for a question of the server's own is left alone", TIMEOUT, async () => {
    const port = await freePort();
    await using baton = await startBaton(echo(port));
    const answer = await askDatagram(port, "ask");
    assert.match(String(answer), / ask shares=0 port=\d+$/);
    assert.equal((await baton.reload()).result, "ok", baton.stderr);
    const { listeners } = await baton.status();
    assert.deepEqual(listeners.map(({ address }) => address), [`udp:127.0.0.1:${port}`]);
  });

  test("a UDP socket that opens long after TCP at the same port", TIMEOUT, async () => {
    const port = await freePort();
    await using baton = await startBaton(echo(port, { LATE: "0.3" }));
    const old = await servingPidOf(baton);
    await waitUntil(() => baton.stderr.includes("listens at udp:"), { what: "it is a listener" });
    await using load = new DatagramLoad(port, CLIENTS);
    await load.answersOf(old);
    assert.equal((await baton.reload()).result, "ok", baton.stderr);
    await load.answersOf(await servingPidOf(baton));
    await assertAllAnswered(load, baton);
  });

  for (const host of IS_FULL ? ["127.0.0.1", "0.0.0.0"] : ["0.0.0.0"]) {
    test(`a socket for each client beside that at ${host}`, TIMEOUT, async () => {
      const port = await freePort();
      const command = python(fixture("udp_per_client.py"));
      const env = { PORT: String(port), HOST: host };
      await using baton = await startBaton({ command, env, flags: SWITCH });
      const old = await servingPidOf(baton);
      await using load = new DatagramLoad(port, 8);
      await load.answersOf(old);
      assert.equal((await baton.reload()).result, "ok", baton.stderr);
      await load.answersOf(await servingPidOf(baton));
      await assertAllAnswered(load, baton);
      assert.ok(!baton.stderr.includes("error:"), baton.stderr);
      await waitUntil(async () => {
        const { listeners, epoch } = await baton.status();
        const left = listeners.flatMap(({ members }) => members.filter((m) => m.epoch === epoch));
        return left.length === 1 && left[0]?.receiving;
      }, { what: "the main socket is the only one of the service" });
    });
  }

  test("QUIC is recognized beside TCP that listens later, and left by name", TIMEOUT, async () => {
    const port = await freePort();
    const address = `udp:127.0.0.1:${port}`;
    await using baton = await startBaton(echo(port, { TCP: "1", QUIC: "1" }));
    const warning = `the server speaks QUIC at ${address}, which is not handed over`;
    await waitUntil(() => baton.stderr.includes(warning), { what: "baton has recognized it" });
    const { listeners } = await baton.status();
    assert.deepEqual(listeners.map(({ address }) => address), [`127.0.0.1:${port}`]);
    const report = await baton.reload();
    assert.equal(report.result, "failed");
    const reason = `${address} speaks QUIC, which is not handed over`;
    assert.ok(report.reason?.includes(reason), String(report.reason));
    assert.equal(answerer(await askDatagram(port, "?")), await servingPidOf(baton));
  });

  test("a canary gets some clients, with all their datagrams", TIMEOUT, async () => {
    const port = await freePort();
    await using baton = await startBaton(echo(port, {}, [...SWITCH, "--canary", "50%"]));
    const old = await servingPidOf(baton);
    assert.equal((await baton.reload()).result, "ok");
    const seen = new Map<number, number>();
    for (let i = 0; i < 30; i++) {
      using client = new DatagramClient(port);
      const [first, second] = [await client.ask("1"), await client.ask("2")].map(answerer);
      assert.equal(second, first, "one client meets one generation");
      seen.set(first!, (seen.get(first!) ?? 0) + 1);
    }
    assert.equal(seen.size, 2, JSON.stringify([...seen]));
    const rollback = await baton.cli("rollback", "web");
    assert.equal(rollback.code, 0, rollback.stderr);
    for (let i = 0; i < 10; i++) assert.equal(answerer(await askDatagram(port, "3")), old);
  });
});

describe("without --udp switch", () => {
  test("a reload that cannot succeed is foretold, and fails by name", TIMEOUT, async () => {
    const port = await freePort();
    await using baton = await startBaton(echo(port, { TCP: "1" }, ["--ready-timeout", "5s"]));
    const address = `udp:127.0.0.1:${port}`;
    assert.ok(baton.stderr.includes(`the server is at ${address}, which is not handed over`));
    const report = await baton.reload();
    assert.equal(report.result, "failed");
    const remedy = `it binds ${address}, and UDP is not handed over: say --udp switch`;
    assert.ok(report.reason?.includes(remedy), String(report.reason));
  });

  const fullOnly = { ...TIMEOUT, skip: IS_FULL ? false : "in make test-all" };
  test("with --order stop-first there is nothing to say", fullOnly, async () => {
    const port = await freePort();
    const flags = ["--order", "stop-first"];
    await using baton = await startBaton(echo(port, { TCP: "1" }, flags));
    assert.ok(!baton.stderr.includes("udp:"), baton.stderr);
    await reload(baton);
    assert.equal(answerer(await askDatagram(port, "?")), await servingPidOf(baton));
  });
});
