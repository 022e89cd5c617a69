/** Clients in a queue that no server accepts from any more: each is offered to the next one, in order, once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PendingAccept } from "../../src/migration/pending_accepts.ts";
import { WaitingClients } from "../../src/migration/waiting_clients.ts";
import type { Fd } from "../../src/platform/fd.ts";
import { C } from "../../src/platform/libc/constants.ts";
import { Platform } from "../../src/platform/platform.ts";
import type { Group } from "../../src/steering/group.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { connectInet, listenAt } from "../support/raw_client.ts";
import { testRuntime } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const OFFER_MS = 10_000;
const runtime = await testRuntime();

/** A queue with clients, a server's own listener, and what is offered to that. */
class Scene implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly platform = new Platform(runtime, this.clock);
  readonly offers = new Set<PendingAccept>();
  readonly taken: string[] = [];
  lost = 0;
  readonly queue = listenAt(this.platform, "127.0.0.1");
  readonly server = listenAt(this.platform, "127.0.0.1");
  readonly clients: Fd[] = [];
  readonly waiting = new WaitingClients(this.platform, {
    add: (accept) => {
      this.offers.add(accept);
      return () => this.offers.delete(accept);
    },
  }, () => this.lost++);

  /** Joins the queue. @returns its address, as a server sees it */
  join(): string {
    const client = connectInet(this.platform, this.queue.address);
    this.clients.push(client);
    return String(this.platform.sockets.localAddress(client)?.port);
  }

  /** Resolves when all clients are offered: a connect(2) may return before the queue has its connection. */
  async deliver(): Promise<void> {
    const { address: tcp } = this.server;
    const group = { tcp, path: null, members: [] };
    this.waiting.deliver(group as unknown as Group, this.queue.listener);
    const { length } = this.clients;
    await waitUntil(() => this.offers.size === length, { what: `${length} clients are offered` });
  }

  /** The server's accept(2) gets the first one. */
  accept(): void {
    const [first] = this.offers;
    assert.ok(first);
    this.taken.push(String(this.platform.sockets.peerAddress(first.socket)?.port));
    this.offers.delete(first);
    first.onTaken();
    assert.equal(first.socket.isOpen, false, "baton's own descriptor is closed");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const fd of [...this.clients, this.queue.listener, this.server.listener]) fd.close();
    await this.platform.close();
  }
}

test("all that wait, and those that come later, until the queue is shut down", TEST, async () => {
  await using scene = new Scene();
  const { platform, offers } = scene;
  const expected = [scene.join(), scene.join()];
  await scene.deliver();
  expected.push(scene.join());
  await waitUntil(() => offers.size === 3, { what: "the third one is offered" });
  const isEmpty = scene.waiting.whenEmpty();
  for (let i = 0; i < 3; i++) scene.accept();
  assert.deepEqual(scene.taken, expected);
  await scene.clock.advance(OFFER_MS);
  await isEmpty;
  assert.equal(scene.lost, 0);
  platform.libc.c.shutdown(scene.queue.listener.number, C.SHUT_RDWR);
  await waitUntil(() => platform.reactor.size === 0, { what: "it is not watched any more" });
});

test("a server that waits for a new connection gets one, until it has accepted", TEST, async () => {
  await using scene = new Scene();
  const { sockets } = scene.platform;
  scene.join();
  await scene.deliver();
  const woken = () => {
    const connection = sockets.accept(scene.server.listener);
    connection?.close();
    return connection !== null;
  };
  await waitUntil(woken, { what: "it is woken, without a pause of the clock" });
  await scene.clock.advance(50);
  await waitUntil(woken, { what: "it is woken again" });
  scene.accept();
  await scene.clock.advance(50);
  assert.equal(woken(), false, "no more");
});

test("one that is not accepted in time is closed, and counted", TEST, async () => {
  await using scene = new Scene();
  scene.join();
  await scene.deliver();
  await scene.clock.advance(OFFER_MS - 1);
  assert.equal(scene.lost, 0);
  await scene.clock.advance(1);
  assert.deepEqual([scene.lost, scene.offers.size], [1, 0]);
  const [client] = scene.clients;
  assert.deepEqual(scene.platform.descriptors.read(client!, new Uint8Array(1))?.length, 0);
});
