/**
 * Passive health: a generation that stops to accept, or whose queue overflows, is found out from outside. It is stopped
 * by SIGSTOP and continued at the end, so nothing is lost.
 */
import assert from "node:assert/strict";
import { createConnection } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { fixtureCommand } from "../support/servers.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const CLIENTS = 4;
const EJECT = ["--eject-after", "500ms"];

async function service(flags: readonly string[], fixture = "node_http.js", env = {}) {
  const port = await freePort();
  const all = { PORT: String(port), ...env };
  const baton = await startBaton({ command: fixtureCommand(fixture), env: all, flags });
  const limits = { timeoutMs: TEST.timeout };
  const load = new Load({ port, clients: CLIENTS, ...limits }).start();
  await load.answersMore(CLIENTS);
  return { baton, load, port };
}

async function generation(baton: Baton, epoch: number) {
  const { generations } = await baton.status();
  return generations.find((each) => each.epoch === epoch)!;
}

/** Makes the server hang; and more clients come, for all that there were may be in its hands. */
async function hang(
  baton: Baton,
  epoch: number,
  port: number,
): Promise<{ pid: number; more: Load }> {
  const pid = (await generation(baton, epoch)).pid!;
  process.kill(pid, "SIGSTOP");
  const limits = { timeoutMs: TEST.timeout };
  return { pid, more: new Load({ port, clients: CLIENTS, ...limits }).start() };
}

async function nothingLost(baton: Baton, ...loads: Load[]): Promise<void> {
  for (const load of loads) {
    const tally = await load.stop();
    assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
  }
}

describe("a generation that accepts nothing", () => {
  test("while it serves: a fresh one replaces it", TEST, async () => {
    const { baton, load, port } = await service(EJECT);
    await using _ = baton;
    const { pid, more } = await hang(baton, 0, port);
    await waitUntil(async () => (await baton.status()).epoch === 1, {
      what: "the next one serves",
    });
    process.kill(pid, "SIGCONT");
    const { restarts } = await baton.settled();
    assert.match(baton.stderr, /generation 0 is not healthy: it has accepted nothing for [\d.]+ s/);
    assert.deepEqual(restarts, { ok: 0, failed: 0, crashes: 1 });
    await nothingLost(baton, load, more);
  });

  test("on trial: it is rolled back", TEST, async () => {
    const { baton, load, port } = await service([...EJECT, "--bake", "60s"]);
    await using _ = baton;
    const reload = baton.reload();
    await waitUntil(async () => (await baton.status()).trial, { what: "it bakes" });
    const { pid, more } = await hang(baton, 1, port);
    const { result, reason } = await reload;
    process.kill(pid, "SIGCONT");
    assert.equal(result, "failed");
    assert.match(reason ?? "", /^rolled back: it has accepted nothing for [\d.]+ s, and \d+ conn/);
    assert.equal((await baton.settled()).epoch, 0);
    await nothingLost(baton, load, more);
  });

  test("beside one on trial: that one is promoted", TEST, async () => {
    const { baton, load, port } = await service([...EJECT, "--canary", "10%"]);
    await using _ = baton;
    await baton.reload();
    const { pid, more } = await hang(baton, 0, port);
    await waitUntil(async () => (await baton.status()).epoch === 1, { what: "it is promoted" });
    process.kill(pid, "SIGCONT");
    assert.deepEqual((await baton.settled()).restarts, { ok: 1, failed: 0, crashes: 0 });
    assert.match(baton.stderr, /generation 0 is not healthy: .*; 1 is promoted/);
    await nothingLost(baton, load, more);
  });

  test("while the one before it is warm: that one takes all back", TEST, async () => {
    const { baton, load, port } = await service(EJECT);
    await using _ = baton;
    const slow = createConnection({ port, host: "127.0.0.1" });
    slow.on("error", () => {});
    slow.write("GET /slow?ms=60000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    const isIn = async () => (await generation(baton, 0)).connections.busy > 0;
    await waitUntil(isIn, { what: "the slow request is in" });
    await baton.reload();
    const { pid, more } = await hang(baton, 1, port);
    await waitUntil(async () => (await baton.status()).epoch === 0, {
      what: "it took over again",
      deadlineMs: TEST.timeout / 2,
    });
    process.kill(pid, "SIGCONT");
    slow.destroy();
    const { restarts } = await baton.settled();
    assert.equal(restarts.crashes, 0, `no fresh one was needed: ${baton.stderr}`);
    assert.equal((await generation(baton, 1)).outcome, "rolled back");
    await nothingLost(baton, load, more);
  });

  test("is left alone without --eject-after", TEST, async () => {
    const { baton, load, port } = await service(["--rollback-on", "crash"]);
    await using _ = baton;
    const { pid, more } = await hang(baton, 0, port);
    const waiting = async () => (await baton.status()).listeners[0]!.members[0]!.backlog > 0;
    await waitUntil(waiting, { what: "connections wait" });
    assert.equal((await baton.status()).epoch, 0);
    process.kill(pid, "SIGCONT");
    await nothingLost(baton, load, more);
  });
});

describe("a queue that overflows", () => {
  test(
    "on trial: it is rolled back, and clients that were turned away connect again",
    TEST,
    async () => {
      const { baton, load, port } = await service([], "python_threaded.py", { BACKLOG: "1" });
      await using _ = baton;
      const reload = baton.cli("reload", "--bake", "60s");
      await waitUntil(async () => (await baton.status()).trial, { what: "it bakes" });
      const { pid, more } = await hang(baton, 1, port);
      const { stderr } = await reload;
      process.kill(pid, "SIGCONT");
      assert.match(
        stderr,
        /rolled back: its accept queue has overflowed: \d+ connections were dropped/,
      );
      assert.equal((await baton.settled()).epoch, 0);
      await nothingLost(baton, load, more);
    },
  );
});
