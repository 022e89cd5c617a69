/**
 * Cut means cut: a download that is being written, a WebSocket and a request whose body was asked for are busy. They
 * have the whole drain time, are counted when they end after it, and the number is the same wherever it is told.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { fixtureCommand } from "../support/servers.ts";
import { StreamClient } from "../support/stream_clients.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const QUIET_MS = 200;
/** Longer than the drains of these tests. */
const LONG = "every=100&pieces=200&bytes=1000";

function startStreams(port: number, ...flags: string[]): Promise<Baton> {
  return startBaton({
    command: fixtureCommand("streams.js"),
    env: { PORT: String(port) },
    flags: ["--quiet", `${QUIET_MS}ms`, ...flags],
  });
}

test(
  "a reload: all have the drain time, WebSockets end one after another, each is counted",
  TEST,
  async () => {
    const port = await freePort();
    await using baton = await startStreams(port, "--drain-time", "4s", "--drain-spread", "3s");
    using clients = new DisposableStack();
    const webSocket = (everyMs: number) => clients.use(StreamClient.webSocket(port, everyMs));
    const sockets = [200, 200, 200].map(webSocket);
    // Its silences are longer than --quiet.
    const slow = webSocket(3 * QUIET_MS);
    const download = clients.use(StreamClient.download(port, LONG));
    await Promise.all([...sockets, slow, download].map((client) => client.flows()));
    assert.equal((await baton.reload()).result, "ok");
    const reloadedAtMs = performance.now();
    await Promise.all([...sockets, slow, download].map((client) => client.ended()));
    const ended = (client: StreamClient) => Math.round(client.endedAtMs! - reloadedAtMs);
    const ends = sockets.map(ended).sort((a, b) => a - b);
    const told = `closed ${ends}, ${ended(slow)} ms after the reload\n${baton.stderr}`;
    // The drain began before the reload was answered.
    assert.ok(ends[0]! > 800 && ended(slow) > 800, told);
    assert.ok(ends[2]! - ends[0]! > 200, told);
    assert.match(baton.stderr, /generation 0: long-lived connections are closed one by one/);

    const { lastReload, generations } = await baton.settled();
    const { connectionsCut, connectionsUndecided, connections } = lastReload ?? {};
    assert.deepEqual([connectionsCut, connectionsUndecided], [5, 0], told);
    assert.deepEqual(connections, { finished: 0, cut: 5, undecided: 0, moved: 0 }, told);
    assert.equal(generations[0]?.connectionsCut, 5);
    assert.match(baton.stderr, /generation 0 exited cut=5$/m);
    const { stdout } = await baton.cli("status");
    assert.match(stdout, /5 connections cut, 0 undecided/);
  },
);

test("a stop: the exit status says what the log says", TEST, async () => {
  const port = await freePort();
  await using baton = await startStreams(port, "--drain-time", "1s", "--drain-spread", "0");
  using socket = StreamClient.webSocket(port, 100);
  using download = StreamClient.download(port, LONG);
  await Promise.all([socket.flows(), download.flows()]);
  assert.equal((await baton.stop()).code, 124, baton.stderr);
  assert.match(baton.stderr, /generation 0 exited cut=2$/m);
});

test(
  "a body that is asked for is waited for; an answer of a moment ago is undecided, no failure",
  TEST,
  async () => {
    const port = await freePort();
    await using baton = await startStreams(port);
    using upload = StreamClient.upload(port, 5);
    await upload.waitFor(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
    assert.equal((await baton.reload()).result, "ok");
    await pause(6 * QUIET_MS);
    assert.ok(upload.isOpen, baton.stderr);
    upload.send("12345");
    await upload.waitFor(/HTTP\/1\.1 200 OK[^]*\r\n\r\n5\n$/);
    upload[Symbol.dispose]();
    assert.equal((await baton.settled()).lastReload?.connectionsCut, 0, baton.stderr);

    using kept = StreamClient.download(port, "every=10&pieces=1&bytes=5");
    await kept.waitFor(/xxxxx$/);
    assert.equal((await baton.stop()).code, 0, baton.stderr);
    assert.match(baton.stderr, /generation 1 exited cut=0 undecided=1/);
  },
);
