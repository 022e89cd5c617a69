/**
 * Canary, ramp, bake and hold: who gets how much of the new connections, and what becomes of them when the new
 * generation is promoted, sent away, or crashes. Shares are counted at the clients, by the process that answered.
 */
import assert from "node:assert/strict";
import { createConnection } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load, type Tally } from "../support/load.ts";
import { deploy, fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const CLIENTS = 8;
const EXIT_BUSY = 75;
const EXIT_FAILED = 70;

async function service(flags: readonly string[] = [], host = "127.0.0.1") {
  const port = await freePort();
  const env = { PORT: String(port), HOST: host };
  const baton = await startBaton({ command: fixtureCommand("node_http.js"), env, flags });
  const limits = { clients: CLIENTS };
  const load = new Load({ port, host, ...limits }).start();
  await load.answersMore(CLIENTS);
  return { baton, load, port };
}

const generation = async (baton: Baton, epoch: number) =>
  (await baton.status()).generations.find((each) => each.epoch === epoch)!;
const pidOf = async (baton: Baton, epoch: number) => (await generation(baton, epoch)).pid!;
const answersOf = (tally: Tally, pid: number) => tally.byBody.get(pid) ?? 0;

/** What the clients have seen of `pid` in `count` answers from now on, in percent. */
async function shareOf(load: Load, pid: number, count: number): Promise<number> {
  const [all, its] = [load.tally.ok, answersOf(load.tally, pid)];
  await load.answersMore(count);
  return (answersOf(load.tally, pid) - its) / (load.tally.ok - all) * 100;
}

async function nothingLost(load: Load, baton: Baton): Promise<void> {
  const tally = await load.stop();
  assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
}

describe("a canary", () => {
  for (const host of ["127.0.0.1", "::1"]) {
    test(`of 10 % gets a tenth of 5,000 connections, at ${host}`, TEST, async () => {
      const { baton, load } = await service([], host);
      await using _ = baton;
      await using _load = load;
      const { code, stdout, stderr } = await baton.cli("reload", "--canary", "10%");
      assert.equal(code, 0, stderr);
      assert.match(
        stdout,
        /^generation 1 gets 10 % of the new connections after \d+ ms\n.*promote/,
      );
      const share = await shareOf(load, await pidOf(baton, 1), 5_000);
      process.stdout.write(`  10 % of 5,000 connections: ${share.toFixed(2)} %\n`);
      assert.ok(share >= 8 && share <= 12, `${share} %`);
      const { epoch, trial } = await baton.status();
      assert.deepEqual([epoch, trial?.epoch, trial?.phase, trial?.percent], [0, 1, "canary", 10]);
      await nothingLost(load, baton);
    });
  }

  test("grows on request, and is promoted: nothing is lost", TEST, async () => {
    const { baton, load } = await service();
    await using _ = baton;
    await using _load = load;
    await baton.cli("reload", "--canary", "0%");
    const pid = await pidOf(baton, 1);
    assert.equal(await shareOf(load, pid, 200), 0, "nothing");
    const { stdout } = await baton.cli("canary", "50%");
    assert.equal(stdout, "generation 1 gets 50 % of the new connections\n");
    const share = await shareOf(load, pid, 1_000);
    assert.ok(share >= 42 && share <= 58, `${share} %`);
    const table = (await baton.cli("status")).stdout;
    assert.match(table, /^on trial: generation 1 gets 50 % of the new connections.*, canary$/m);
    assert.equal((await baton.cli("promote")).stdout, "generation 1 is promoted\n");
    const { epoch, trial, lastReload } = await baton.settled();
    assert.deepEqual([epoch, trial, lastReload?.result], [1, null, "ok"]);
    assert.equal(await shareOf(load, pid, 200), 100, "everything");
    await nothingLost(load, baton);
  });

  test("is sent away: nothing is lost, and the old one never stopped to serve", TEST, async () => {
    const { baton, load } = await service(["--canary", "50%"]);
    await using _ = baton;
    await using _load = load;
    assert.equal((await baton.reload()).trial?.percent, 50, "as configured");
    await load.answersMore(200);
    assert.equal((await baton.cli("rollback")).stdout, "generation 1 is rolled back\n");
    const settled = await baton.settled();
    const { outcome, reason } = settled.generations.find(({ epoch }) => epoch === 1)!;
    assert.deepEqual([settled.epoch, outcome, reason], [0, "rolled back", "asked for"]);
    assert.deepEqual(
      [settled.lastReload?.result, settled.lastReload?.reason, settled.restarts],
      ["failed", "rolled back: asked for", { ok: 1, failed: 1, crashes: 0 }],
    );
    assert.equal(await shareOf(load, await pidOf(baton, 0), 200), 100);
    await nothingLost(load, baton);
  });

  test("shows the share that the kernel's socket table tells of", TEST, async () => {
    const { baton, load, port } = await service();
    await using _ = baton;
    await using _load = load;
    await baton.cli("reload", "--canary", "50%");
    await using _kept = new Load({ port, mode: "keep-alive", clients: 100 }).start();
    const seen = await waitUntil(async () => {
      const { trial } = await baton.status();
      return trial?.seen && trial.seen.connections >= 100 ? trial.seen : null;
    }, { what: "a hundred connections are seen" });
    assert.ok(seen.percent >= 25 && seen.percent <= 75, JSON.stringify(seen));
  });
});

describe("a ramp", () => {
  test("only grows, ends with everything, and loses nothing", TEST, async () => {
    const { baton, load } = await service();
    await using _ = baton;
    await using _load = load;
    let isOver = false;
    const reload = baton.cli("reload", "--ramp", "4s").finally(() => isOver = true);
    const shares: number[] = [];
    await waitUntil(async () => {
      const { trial } = await baton.status();
      if (trial !== null) shares.push(trial.percent);
      return isOver;
    }, { what: "the ramp is over" });
    const { code, stdout } = await reload;
    assert.equal(code, 0);
    assert.match(stdout, /^generation 1 serves after \d{4,} ms$/m);
    assert.ok(new Set(shares).size > 5, `${shares}`);
    assert.deepEqual(shares, shares.toSorted((a, b) => a - b), "monotone");
    assert.equal((await baton.settled()).epoch, 1);
    await nothingLost(load, baton);
  });
});

describe("baking", () => {
  test("a new version that crashes is steered back, and the reload says so", TEST, async () => {
    const { baton, load } = await service(["--bake", "60s"]);
    await using _ = baton;
    await using _load = load;
    const reload = baton.cli("reload");
    await waitUntil(async () => (await baton.status()).trial, { what: "it bakes" });
    const pid = await pidOf(baton, 1);
    await waitUntil(() => answersOf(load.tally, pid) > 100, { what: "it answers" });
    process.kill(pid, "SIGKILL");
    const killedAt = Date.now();
    const { code, stderr } = await reload;
    assert.equal(code, EXIT_FAILED);
    assert.match(
      stderr,
      /^reload failed: generation 1: rolled back: it exited: killed by SIGKILL$/m,
    );
    assert.match(
      stderr,
      /^the old generation gets all new connections again \(.*baking \d+ ms\)$/m,
    );
    const back = /(\S+)Z baton\[web\] error: generation 1 is rolled back/.exec(baton.stderr)?.[1];
    const tookMs = Date.parse(`${back}Z`) - killedAt;
    process.stdout.write(`  steered back ${tookMs} ms after the kill\n`);
    assert.ok(tookMs < 1_000, "100 ms on a machine with time");
    await load.answersMore(200);
    const tally = await load.stop();
    // Accepted by the crashed process, or waiting in its queue.
    assert.ok(tally.reset + tally.short <= 2 * CLIENTS, formatTally(tally));
    assert.equal(tally.lost, tally.reset + tally.short, formatTally(tally));
    const settled = await baton.settled();
    assert.equal(settled.epoch, 0);
    const { outcome, reason } = settled.generations.find(({ epoch }) => epoch === 1) ?? {};
    assert.deepEqual([outcome, reason], ["rolled back", "killed by SIGKILL"]);
    const { stdout } = await baton.cli("events", "--only", "generation.rolled_back");
    assert.match(stdout, /"event":"generation.rolled_back".*"epoch":1/);
  });

  test("ends by itself, with the new generation", TEST, async () => {
    const { baton, load } = await service();
    await using _ = baton;
    await using _load = load;
    const old = await pidOf(baton, 0);
    const reload = baton.cli("reload", "--bake", "4s");
    const trial = await waitUntil(async () => (await baton.status()).trial, { what: "it bakes" });
    assert.deepEqual([trial.phase, trial.percent], ["bake", 100]);
    const { generations } = await baton.status();
    assert.deepEqual(generations.map(({ state }) => state), ["serving", "baking"]);
    assert.ok(await pidOf(baton, 0) === old, "the old one is there");
    assert.equal((await reload).code, 0);
    assert.equal((await baton.settled()).epoch, 1);
    await nothingLost(load, baton);
  });

  test("promotes the new one when the old one crashes", TEST, async () => {
    const { baton, load } = await service();
    await using _ = baton;
    await using _load = load;
    await baton.cli("reload", "--hold");
    await shareOf(load, await pidOf(baton, 1), 100);
    process.kill(await pidOf(baton, 0), "SIGKILL");
    const { epoch, trial, restarts } = await baton.settled();
    assert.deepEqual([epoch, trial, restarts.crashes], [1, null, 0]);
    await nothingLost(load, baton);
  });
});

describe("a hold", () => {
  test("lasts until it is promoted; other reloads and upgrades are refused", TEST, async () => {
    const { baton, load } = await service();
    await using _ = baton;
    await using _load = load;
    assert.equal((await baton.cli("promote")).code, EXIT_BUSY, "nothing is on trial yet");
    const held = await baton.cli("reload", "--hold");
    assert.match(held.stdout, /^generation 1 gets 100 % of the new connections/);
    for (const verb of ["reload", "upgrade"]) {
      const { code, stderr } = await baton.cli(verb);
      assert.equal(code, EXIT_BUSY, stderr);
    }
    assert.equal((await baton.cli("promote")).code, 0);
    assert.equal((await baton.settled()).epoch, 1);
    await nothingLost(load, baton);
  });

  test("of a version with another port, which is rolled back: nobody needs that port", {
    ...TEST,
  }, async () => {
    using work = tempDir();
    const target = work.join("target");
    const [port, second] = [await freePort(), await freePort()];
    const env = { PORT: String(port), PORT2: String(second) };
    deploy(target, { command: fixtureCommand("node_http.js"), env });
    const command = fixtureCommand("switch.sh");
    const flags = ["--ready-timeout", "5s"];
    await using baton = await startBaton({ command, env: { TARGET_FILE: target }, flags });
    deploy(target, { command: fixtureCommand("two_ports.js"), env });
    assert.equal((await baton.cli("reload", "--hold")).code, 0, baton.stderr);
    // Nobody has waited for that one.
    const listens = async () =>
      (await baton.status()).listeners.some(({ address }) => address.endsWith(`:${second}`));
    await waitUntil(listens, { what: "it listens at the other port" });
    const client = createConnection({ port: second, host: "127.0.0.1" });
    client.on("error", () => {});
    client.write("GET / HTTP/1.1\r\n");
    const isIn = async () => (await generation(baton, 1)).connections.busy > 0;
    await waitUntil(isIn, { what: "half of a request is in" });
    assert.equal((await baton.cli("rollback")).code, 0, baton.stderr);
    deploy(target, { command: fixtureCommand("node_http.js"), env });
    const { result, reason } = await baton.reload();
    assert.deepEqual([result, reason], ["ok", null]);
    assert.equal((await generation(baton, 1)).state, "draining");
    client.destroy();
  });

  test("is over when baton is stopped: both drain", TEST, async () => {
    const { baton, load } = await service();
    await using _ = baton;
    await baton.cli("reload", "--hold");
    assert.equal((await load.stop()).lost, 0);
    assert.equal((await baton.stop()).code, 0, baton.stderr);
  });
});
