/**
 * The promise holds for whatever a server does with its listening sockets: several of them, several workers with one
 * each, IPv6, non-blocking, shut down, closed and bound again. And what fails without baton fails with it.
 */
import assert from "node:assert/strict";
import { createConnection } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { Load } from "../support/load.ts";
import { repeats } from "../support/repeats.ts";
import { fixtureCommand } from "../support/servers.ts";
import { servingPidOf } from "../support/serving_pid.ts";
import { waitUntil } from "../support/wait_until.ts";
import {
  ask,
  assertNothingLost,
  getsAll,
  members,
  reload,
  show,
  withFixtures,
} from "../support/listening.ts";

const RELOADS = repeats({ full: 5, quick: 3 });

async function inState(baton: Baton, epoch: number, state: string): Promise<void> {
  await waitUntil(async () => {
    const { generations } = await baton.status();
    return generations.find((each) => each.epoch === epoch)?.state === state;
  }, { what: `generation ${epoch} is ${state}` });
}

/** A request that keeps its generation alive; resolves once it is in that generation's queue. */
function slowRequest(port: number, ms: number): Promise<{ answer: Promise<string> }> {
  const socket = createConnection({ port, host: "127.0.0.1" });
  let received = "";
  socket.on("data", (bytes) => received += String(bytes));
  socket.on("error", (error) => received += error.message);
  const answer = new Promise<string>((resolve) => socket.once("close", () => resolve(received)));
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.write(`GET /slow?ms=${ms} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n`);
      resolve({ answer });
    });
  });
}

describe("a server that calls shutdown(2) on its listener", () => {
  const command = fixtureCommand("shutdown_listener.py");

  test(
    "a server that shuts its listener down is replaced: no client notices",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      const port = await freePort();
      await using baton = await startBaton({ command, env: withFixtures(port) });
      await using load = new Load({ port }).start();
      await reload(baton, RELOADS);
      const tally = await assertNothingLost(load, baton);
      assert.equal(tally.byBody.size, RELOADS + 1, show(tally, baton));
    },
  );

  test("listeners of draining generations are shut down: the serving one still gets everything", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const port = await freePort();
    await using baton = await startBaton({ command, env: withFixtures(port) });
    const slow: { pid: number; answer: Promise<string> }[] = [];
    for (let epoch = 0; epoch < 2; epoch++) {
      const pid = await servingPidOf(baton);
      slow.push({ pid, ...await slowRequest(port, 8_000) });
      assert.equal((await baton.reload()).result, "ok");
    }
    const serving = await servingPidOf(baton);
    await using load = new Load({ port }).start();
    for (const { pid } of slow) {
      process.kill(pid, "SIGUSR2");
      await getsAll(load, serving);
    }
    const { generations } = await baton.status();
    assert.deepEqual(generations.map(({ state }) => state), ["draining", "draining", "serving"]);
    assert.deepEqual(await members(baton), { [`127.0.0.1:${port}`]: { yes: 1, no: 0 } });
    await assertNothingLost(load, baton);
    for (const { pid, answer } of slow) assert.match(await answer, new RegExp(`pid=${pid} `));
  });

  test("a listener is shut down at the stop signal, while later generations come and go", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const port = await freePort();
    const flags = ["--drain", "signal", "--max-generations", "8"];
    await using baton = await startBaton({ command, env: withFixtures(port), flags });
    await using load = new Load({ port }).start();
    const slow: { pid: number; answer: Promise<string> }[] = [];
    for (let epoch = 0; epoch < 6; epoch++) {
      const pid = await servingPidOf(baton);
      slow.push({ pid, ...await slowRequest(port, 4_000) });
      assert.equal((await baton.reload()).result, "ok");
      await inState(baton, epoch, "stopping");
      await getsAll(load, await servingPidOf(baton));
    }
    assert.deepEqual(await members(baton), { [`127.0.0.1:${port}`]: { yes: 1, no: 0 } });
    for (const { pid, answer } of slow) assert.match(await answer, new RegExp(`pid=${pid} `));
    await assertNothingLost(load, baton);
  });
});

test("a server with two ports: both are handed over", { timeout: TEST_TIMEOUT_MS }, async () => {
  const ports = [await freePort(), await freePort()];
  await using baton = await startBaton({
    command: fixtureCommand("two_ports.js"),
    env: { PORT: String(ports[0]), PORT2: String(ports[1]) },
  });
  // The gate of a first start can know of the first listener only.
  await waitUntil(async () => Object.keys(await members(baton)).length === 2, {
    what: "both ports listen",
  });
  const options = { clients: 4 };
  await using first = new Load({ port: ports[0] ?? 0, ...options }).start();
  await using second = new Load({ port: ports[1] ?? 0, ...options }).start();
  await reload(baton, RELOADS);
  for (const load of [first, second]) {
    const tally = await assertNothingLost(load, baton);
    assert.equal(tally.byBody.size, RELOADS + 1, show(tally, baton));
  }
  const expected = ports.map((port) => [`127.0.0.1:${port}`, { yes: 1, no: 0 }]);
  assert.deepEqual(await members(baton), Object.fromEntries(expected));
});

test("two generations open a second listener after the switch: the serving one gets all", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  const [port, later] = [await freePort(), await freePort()];
  const env = { PORT: String(port), LATER_PORT: String(later) };
  await using baton = await startBaton({ command: fixtureCommand("binds_later.js"), env });
  const old = await servingPidOf(baton);
  await slowRequest(port, TEST_TIMEOUT_MS);
  assert.equal((await baton.reload()).result, "ok", baton.stderr);
  const serving = await servingPidOf(baton);
  assert.equal((await baton.cli("upgrade", "--in-place")).code, 0, baton.stderr);
  const has = (expected: { yes: number; no: number }) => async () =>
    isDeepStrictEqual((await members(baton))[`127.0.0.1:${later}`], expected);
  process.kill(old, "SIGUSR2");
  await waitUntil(has({ yes: 1, no: 0 }), { what: "the old one has opened it" });
  process.kill(serving, "SIGUSR2");
  await waitUntil(has({ yes: 1, no: 1 }), { what: "both have opened it" });
  await inState(baton, 0, "draining");
  const answers = async () => [...(await ask(later, { maxRequests: 20, timeoutMs: 2_000 })).byBody];
  assert.deepEqual(await answers(), [[serving, 20]], baton.stderr);
  process.kill(old, "SIGKILL");
  await baton.settled();
  assert.deepEqual(await answers(), [[serving, 20]], baton.stderr);
  assert.ok(await has({ yes: 1, no: 0 })());
});
