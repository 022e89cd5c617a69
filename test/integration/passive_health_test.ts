/**
 * Passive health: a generation that stops to accept, or whose queue overflows, is found out from outside. It is stopped
 * by SIGSTOP, and goes on at the end: so nothing at all is lost.
 */
import assert from "node:assert/strict";
import { createConnection } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { formatTally, Load } from "../support/load.ts";
import { fixtureCommand } from "../support/servers.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: 90_000 };
const CLIENTS = 4;
const EJECT = ["--eject-after", "500ms"];

async function service(flags: readonly string[], fixture = "node_http.js", env = {}) {
  const port = await freePort();
  const all = { PORT: String(port), ...env };
  const baton = await startBaton({ command: fixtureCommand(fixture), env: all, flags });
  const limits = { maxDurationMs: TEST.timeout, timeoutMs: TEST.timeout };
  const load = new Load({ port, clients: CLIENTS, ...limits }).start();
  await load.answersMore(CLIENTS);
  return { baton, load, port };
}

async function generation(baton: Baton, epoch: number) {
  const { generations } = await baton.status();
  return generations.find((each) => each.epoch === epoch)!;
}

/** It hangs. */
async function hang(baton: Baton, epoch: number): Promise<number> {
  const pid = (await generation(baton, epoch)).pid!;
  process.kill(pid, "SIGSTOP");
  return pid;
}

async function nothingLost(load: Load, baton: Baton): Promise<void> {
  const tally = await load.stop();
  assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
}

describe("a generation that accepts nothing", () => {
  test("while it serves: a fresh one replaces it", TEST, async () => {
    const { baton, load } = await service(EJECT);
    await using _ = baton;
    const pid = await hang(baton, 0);
    await waitUntil(async () => (await baton.status()).epoch === 1, {
      what: "the next one serves",
    });
    process.kill(pid, "SIGCONT");
    const { restarts } = await baton.settled();
    assert.match(baton.stderr, /generation 0 is not healthy: it has accepted nothing for [\d.]+ s/);
    assert.deepEqual(restarts, { ok: 0, failed: 0, crashes: 1 });
    await nothingLost(load, baton);
  });

  test("on trial: it is rolled back", TEST, async () => {
    const { baton, load } = await service([...EJECT, "--bake", "60s"]);
    await using _ = baton;
    const reload = baton.reload();
    await waitUntil(async () => (await baton.status()).trial, { what: "it bakes" });
    const pid = await hang(baton, 1);
    const { result, reason } = await reload;
    process.kill(pid, "SIGCONT");
    assert.equal(result, "failed");
    assert.match(reason ?? "", /^rolled back: it has accepted nothing for [\d.]+ s, and \d+ conn/);
    assert.equal((await baton.settled()).epoch, 0);
    await nothingLost(load, baton);
  });

  test("while the one before it is warm: that one takes all back", TEST, async () => {
    const { baton, load, port } = await service(EJECT);
    await using _ = baton;
    const slow = createConnection({ port, host: "127.0.0.1" });
    let answer = "";
    slow.on("data", (bytes) => answer += String(bytes));
    slow.write("GET /slow?ms=6000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    const isIn = async () => (await generation(baton, 0)).connections.busy > 0;
    await waitUntil(isIn, { what: "the slow request is in" });
    await baton.reload();
    const pid = await hang(baton, 1);
    await waitUntil(async () => (await baton.status()).epoch === 0, { what: "it took over again" });
    process.kill(pid, "SIGCONT");
    const { restarts } = await baton.settled();
    assert.equal(restarts.crashes, 0, "no fresh one was needed");
    assert.equal((await generation(baton, 1)).outcome, "rolled back");
    await waitUntil(() => answer.includes("version=1"), { what: "the slow request is answered" });
    await nothingLost(load, baton);
  });

  test("is left alone without --eject-after", TEST, async () => {
    const { baton, load } = await service(["--rollback-on", "crash"]);
    await using _ = baton;
    const pid = await hang(baton, 0);
    const waiting = async () => (await baton.status()).listeners[0]!.members[0]!.backlog > 0;
    await waitUntil(waiting, { what: "connections wait" });
    assert.equal((await baton.status()).epoch, 0);
    process.kill(pid, "SIGCONT");
    await nothingLost(load, baton);
  });
});

describe("a queue that overflows", () => {
  test("on trial: it is rolled back, and who was turned away comes again", TEST, async () => {
    const { baton, load } = await service([], "python_threaded.py", { BACKLOG: "1" });
    await using _ = baton;
    const reload = baton.cli("reload", "--bake", "60s");
    await waitUntil(async () => (await baton.status()).trial, { what: "it bakes" });
    const pid = await hang(baton, 1);
    const { stderr } = await reload;
    process.kill(pid, "SIGCONT");
    assert.match(
      stderr,
      /rolled back: its accept queue has overflowed: \d+ connections were turned/,
    );
    assert.equal((await baton.settled()).epoch, 0);
    await nothingLost(load, baton);
  });
});
