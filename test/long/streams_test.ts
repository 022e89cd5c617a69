/**
 * What is cut is counted the same way, whatever ends a generation: the drain time, room for another one, a roll-back,
 * the end of a pod, moving kept connections; and WebSockets with long silences have the whole drain time.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { fixtureCommand } from "../support/servers.ts";
import { StreamClient } from "../support/stream_clients.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: 180_000 };
const LONG = "every=100&pieces=600&bytes=1000";

function startStreams(port: number, ...flags: string[]): Promise<Baton> {
  const env = { PORT: String(port) };
  return startBaton({ command: fixtureCommand("streams.js"), env, flags });
}

test(
  "4 WebSockets with a message each 2 s are kept until the last part of the drain time",
  TEST,
  async () => {
    const port = await freePort();
    await using baton = await startStreams(port, "--drain-time", "20s");
    using clients = new DisposableStack();
    const sockets = [1, 2, 3, 4].map(() => clients.use(StreamClient.webSocket(port, 2_000)));
    await Promise.all(sockets.map((client) => client.flows()));
    assert.equal((await baton.reload()).result, "ok");
    const reloadedAtMs = performance.now();
    await Promise.all(sockets.map((client) => client.ended()));
    const ends = sockets.map(({ endedAtMs }) => endedAtMs! - reloadedAtMs).sort((a, b) => a - b);
    assert.ok(ends[0]! > 14_000 && ends[3]! - ends[0]! > 1_000, `${ends} ms`);
    assert.equal((await baton.settled()).lastReload?.connectionsCut, 4, baton.stderr);
  },
);

test("a request whose body comes 4 s after 100 Continue is answered", TEST, async () => {
  const port = await freePort();
  await using baton = await startStreams(port);
  using first = StreamClient.upload(port, 5);
  await first.waitFor(/100 Continue\r\n\r\n$/);
  assert.equal((await baton.reload()).result, "ok");
  await pause(4_000);
  first.send("12345");
  await first.waitFor(/200 OK[^]*\n5\n$/);
  first[Symbol.dispose]();
  assert.equal((await baton.settled()).lastReload?.connectionsCut, 0, baton.stderr);
});

test("a generation that is killed to make room", TEST, async () => {
  const port = await freePort();
  await using baton = await startStreams(port, "--max-generations", "2");
  using download = StreamClient.download(port, LONG);
  await download.flows();
  await baton.reload();
  await baton.reload();
  const { generations } = await baton.settled();
  assert.equal(generations[0]?.connectionsCut, 1, baton.stderr);
  assert.match(baton.stderr, /generation 0 exited cut=1$/m);
});

test("a generation that is rolled back", TEST, async () => {
  const port = await freePort();
  await using baton = await startStreams(port, "--hold", "--drain-time", "2s");
  assert.equal((await baton.cli("reload")).code, 0, baton.stderr);
  using download = StreamClient.download(port, LONG);
  await download.flows();
  assert.equal((await baton.cli("rollback")).code, 0, baton.stderr);
  const { lastReload, generations } = await baton.settled();
  assert.equal(lastReload?.result, "failed");
  assert.equal(lastReload?.connectionsCut, 1, baton.stderr);
  assert.equal(generations[1]?.connectionsCut, 1);
  assert.match(baton.stderr, /generation 1 exited cut=1$/m);
});

test("--keep-alive migrate: WebSockets have the drain time", TEST, async () => {
  const port = await freePort();
  await using baton = await startStreams(port, "--keep-alive", "migrate", "--drain-time", "8s");
  using fast = StreamClient.webSocket(port, 200);
  using slow = StreamClient.webSocket(port, 1_500);
  await Promise.all([fast.flows(), slow.flows()]);
  await baton.reload();
  const reloadedAtMs = performance.now();
  await Promise.all([fast.ended(), slow.ended()]);
  const ends = [fast, slow].map(({ endedAtMs }) => endedAtMs! - reloadedAtMs);
  assert.ok(Math.min(...ends) > 5_500, `${ends} ms\n${baton.stderr}`);
  assert.equal((await baton.settled()).lastReload?.connectionsCut, 2, baton.stderr);
});

test("--shutdown-only: the same number in the log, and 124", TEST, async () => {
  const port = await freePort();
  const flags = ["--shutdown-only", "--min-drain", "0", "--max-drain", "6s"];
  await using baton = await startStreams(port, ...flags);
  await waitUntil(async () => (await baton.cli("ready")).code === 0, { what: "it listens" });
  using clients = new DisposableStack();
  const sockets = [1, 2, 3].map(() => clients.use(StreamClient.webSocket(port, 200)));
  using download = StreamClient.download(port, LONG);
  await Promise.all([...sockets, download].map((client) => client.flows()));
  const stopped = baton.stop();
  const stoppedAtMs = performance.now();
  assert.equal((await stopped).code, 124, baton.stderr);
  const ends = sockets.map(({ endedAtMs }) => endedAtMs! - stoppedAtMs).sort((a, b) => a - b);
  assert.ok(ends[0]! > 2_500 && ends[2]! - ends[0]! > 200, `${ends} ms\n${baton.stderr}`);
  assert.match(baton.stderr, /connections were cut cut=4$/m);
});
