/**
 * The promise of `--keep-alive migrate` when a move does not come to its end: what baton holds back on the old server's
 * connections is let go, by it or by the next one. TCP_CORK and SO_RCVLOWAT belong to the socket: they outlive baton.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { ConnectionTable, type TrackedConnection } from "../../src/migration/connection_table.ts";
import { holdAnswer } from "../../src/migration/sample.ts";
import type { Fd } from "../../src/platform/fd.ts";
import { C } from "../../src/platform/libc/constants.ts";
import type { Platform } from "../../src/platform/platform.ts";
import type { Listeners } from "../../src/steering/listeners.ts";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { heldSockets } from "../support/held_sockets.ts";
import { askUntilHeldBack, KeptConnection } from "../support/kept_connection.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { fixtureCommand } from "../support/servers.ts";
import { Succession } from "../support/succession.ts";
import { tempDir } from "../support/temp_dir.ts";
import { testPlatform } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const FLAGS = ["--keep-alive", "migrate"] as const;
const GET = "GET /?id=1 HTTP/1.1\r\nHost: a\r\n\r\n";
/** Its answer does not begin while a test runs. */
const SLOW = "GET /drip?n=1&ms=600000 HTTP/1.1\r\nHost: a\r\n\r\n";
const POST = "POST /sum HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\n";

/** A move that waits for an upload, with one request held back and another one whose answer will be. */
class Held implements Disposable {
  readonly #upload: KeptConnection;
  readonly client: KeptConnection;
  readonly slow: KeptConnection;
  old = 0;

  constructor(port: number) {
    this.#upload = new KeptConnection(port);
    this.client = new KeptConnection(port);
    this.slow = new KeptConnection(port);
  }

  async begin(baton: Baton, platform: Platform): Promise<void> {
    this.#upload.send(`${POST}a`);
    for (const each of [this.client, this.slow]) {
      each.send(GET);
      await each.answer();
    }
    this.old = Number((await baton.status()).generations[0]?.pid);
    assert.equal((await baton.reload()).result, "ok");
    await askUntilHeldBack(this.slow, GET);
    await this.slow.answer();
    this.slow.send(SLOW);
    await this.until(platform, (corked) => corked > 0, "the answer will be held back");
    await askUntilHeldBack(this.client, GET);
  }

  async until(platform: Platform, is: (corked: number) => boolean, what: string): Promise<void> {
    await waitUntil(() => is(heldSockets(platform, this.old).corked), { what });
  }

  [Symbol.dispose](): void {
    for (const each of [this.#upload, this.client, this.slow]) each[Symbol.dispose]();
  }
}

describe("what is held back for a move is let go", () => {
  test("when baton is stopped", TEST, async () => {
    const port = await freePort();
    await using platform = await testPlatform();
    await using baton = await startBaton({
      command: fixtureCommand("conversations.js"),
      env: { PORT: String(port) },
      flags: FLAGS,
    });
    using held = new Held(port);
    await held.begin(baton, platform);
    baton.signal("SIGTERM");
    assert.equal((await held.client.answer()).status, 200);
    await held.until(platform, (corked) => corked === 0, "the answer is not held back any more");
  });

  for (
    const [how, flags] of [
      ["migrate", FLAGS],
      ["leave", ["--keep-alive", "leave"]],
    ] as const
  ) {
    test(`by the next baton (${how}) when this one is killed`, TEST, async () => {
      using dir = tempDir("baton");
      const port = await freePort();
      await using platform = await testPlatform();
      await using batons = new Succession({
        command: fixtureCommand("conversations.js"),
        env: { PORT: String(port) },
        dir,
      });
      const baton = await batons.next(["--survive", ...FLAGS]);
      using held = new Held(port);
      await held.begin(baton, platform);
      await batons.kill();
      assert.ok(heldSockets(platform, held.old).corked > 0, "it outlives baton");
      await batons.next(["--survive", ...flags]);
      await held.until(platform, (corked) => corked === 0, "the answer is not held back any more");
      assert.equal((await held.client.answer()).status, 200);
    });
  }

  test("by the next program in place", TEST, async () => {
    const port = await freePort();
    await using platform = await testPlatform();
    await using baton = await startBaton({
      command: fixtureCommand("conversations.js"),
      env: { PORT: String(port) },
      flags: FLAGS,
    });
    using held = new Held(port);
    await held.begin(baton, platform);
    const upgraded = await baton.cli("upgrade", "--in-place");
    assert.equal(upgraded.code, 0, upgraded.stderr);
    await held.until(platform, (corked) => corked === 0, "the answer is not held back any more");
    assert.equal((await held.client.answer()).status, 200);
  });
});

/** A connection of this process to itself, whose answers are held back. */
class OwnConnection implements Disposable {
  readonly #stack = new DisposableStack();
  readonly client: Fd;
  readonly table: ConnectionTable;
  readonly tracked: TrackedConnection;
  /** The server's. */
  readonly socket: Fd;

  constructor(readonly platform: Platform, port: number) {
    const { sockets } = platform;
    const address = { family: "inet", host: "127.0.0.1", port, scope: 0 } as const;
    const listener = this.#stack.use(sockets.stream("inet"));
    sockets.bindInet(listener, address);
    sockets.listen(listener, 1);
    this.client = this.#stack.use(sockets.stream("inet"));
    sockets.connectInet(this.client, address);
    this.socket = sockets.accept(listener) ?? assert.fail("it is connected");
    const listeners = { ports: [port], groups: [] } as unknown as Listeners;
    this.table = new ConnectionTable(platform, listeners, () => [process.pid]);
    this.#stack.defer(() => this.table.close());
    this.table.refresh();
    const isThis = ({ oldDescriptor: { descriptor } }: TrackedConnection) =>
      descriptor === this.socket.number;
    this.tracked = this.table.connections.find(isThis) ?? assert.fail("it is found");
    this.table.duplicate(this.tracked)?.close();
    this.tracked.isCorked = holdAnswer(platform, this.socket);
    assert.equal(isCorked(platform, this.socket), true);
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}

function isCorked({ sockets }: Platform, socket: Fd): boolean {
  return sockets.option(socket, C.IPPROTO_TCP, C.TCP_CORK) !== 0;
}

describe("an answer that is held back is let go", () => {
  test("when the client ends its side", TEST, async () => {
    await using platform = await testPlatform();
    using own = new OwnConnection(platform, await freePort());
    using socket = own.socket;
    platform.sockets.endSending(own.client);
    await waitUntil(() => platform.sockets.tcpState(socket) === C.TCP_CLOSE_WAIT, {
      what: "the end has come",
    });
    own.table.refresh();
    assert.deepEqual([isCorked(platform, socket), own.table.size], [false, 0]);
  });

  test("where the server has passed the connection on", TEST, async () => {
    await using platform = await testPlatform();
    using own = new OwnConnection(platform, await freePort());
    using passedOn = platform.descriptors.duplicate(own.socket);
    own.socket.close();
    assert.equal(own.table.duplicate(own.tracked), null);
    own.table.refresh();
    own.table.resume();
    assert.equal(isCorked(platform, passedOn), false);
  });

  test("but not where the server holds it back itself", TEST, async () => {
    await using platform = await testPlatform();
    using own = new OwnConnection(platform, await freePort());
    using socket = own.socket;
    assert.equal(holdAnswer(platform, socket), false);
    own.tracked.isCorked = false;
    own.table.resume();
    assert.equal(isCorked(platform, socket), true);
  });
});
