/** Connections that are paused until they can be moved, on real sockets: each pause ends. */
import type { MoverOptions } from "../../src/migration/mover_options.ts";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, test } from "node:test";
import type {
  InFlightMoves,
  KeepAliveCounts,
  MovingConnection,
} from "../../src/migration/in_flight.ts";
import { pause } from "../../src/migration/sample.ts";
import { Mover } from "../../src/migration/mover.ts";
import { ConnectionTable } from "../../src/migration/connection_table.ts";
import type { Fd } from "../../src/platform/fd.ts";
import { C } from "../../src/platform/libc/constants.ts";
import type { Platform } from "../../src/platform/platform.ts";
import type { Listeners } from "../../src/steering/listeners.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { connectInet, listenAt } from "../support/raw_client.ts";
import { testPlatform } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

const REQUEST = Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
const ANSWER = Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
const TEST = { timeout: TEST_TIMEOUT_MS };
const CLIENTS = 4;
const CAPACITY = 2;
/** Longer than the preview (mover.ts). */
const STALL_MS = 50;
/** Longer than a kernel tick, the resolution of its time stamps. */
const TICK_MS = 12;
/** Far less than until all held requests are released anyway (hold_rounds.ts). */
const SOON_MS = 3_000;

/** One connection with both ends in this process. */
class Conversation implements Disposable {
  readonly #client: Fd;
  readonly #server: Fd;

  constructor(readonly platform: Platform, { listener, address }: ReturnType<typeof listenAt>) {
    this.#client = connectInet(platform, address);
    this.#server = platform.sockets.accept(listener) ?? assert.fail("the accept queue is empty");
  }

  get isPaused(): boolean {
    return this.platform.sockets.option(this.#server, C.SOL_SOCKET, C.SO_RCVLOWAT) > 1;
  }

  get hasAnswer(): boolean {
    return this.platform.sockets.unreadBytes(this.#client) > 0;
  }

  ask(): void {
    this.platform.descriptors.writeAll(this.#client, REQUEST);
  }

  /** The server reads, woken or not, and answers. */
  answer(): void {
    const read = this.platform.descriptors.read(this.#server, new Uint8Array(100));
    assert.equal(read?.length, REQUEST.length);
    this.platform.descriptors.writeAll(this.#server, ANSWER);
  }

  makeBlocking(): void {
    this.platform.descriptors.setNonblocking(this.#server, false);
  }

  [Symbol.dispose](): void {
    for (const socket of [this.#client, this.#server]) socket.close();
  }
}

/** A server in this process, and the mover of its connections. */
class Server implements Disposable {
  readonly #stack = new DisposableStack();
  readonly conversations: readonly Conversation[];

  constructor(
    readonly platform: Platform,
    clients: number,
    options: Partial<MoverOptions> & { readonly onRefresh?: () => void } = {},
  ) {
    const listening = listenAt(platform, "127.0.0.1");
    this.#stack.use(listening.listener);
    this.conversations = Array.from(
      { length: clients },
      () => this.#stack.use(new Conversation(platform, listening)),
    );
    const { address } = listening;
    const listeners = {
      groups: [{ address, tcp: address, members: [] }],
      ports: [address.port],
    } as unknown as Listeners;
    const never = () => assert.fail("no connection is to be moved");
    const processes = () => {
      options.onRefresh?.();
      return [platform.runtime.pid];
    };
    const mover = new Mover(platform, {
      table: new ConnectionTable(platform, listeners, processes),
      inFlight: { wakeAccepted: () => {} } as unknown as InFlightMoves,
      hasSuccessor: () => true,
      quietMs: 60_000,
      drainTimeMs: 60_000,
      settleMs: Infinity,
      onCommitted: never,
      onOutcome: never,
      ...options,
    });
    this.#stack.defer(() => mover.cancel());
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}

/** Blocks the whole process. */
function stall(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** Calls it while this process can open no descriptor. */
function withoutDescriptors<T>({ processes }: Platform, call: () => T): T {
  const [limit] = processes.fileLimit();
  processes.setFileLimit(3);
  try {
    return call();
  } finally {
    processes.setFileLimit(limit);
  }
}

describe("Mover", () => {
  test(
    "a client gets its answer when its connection is paused again, and not before",
    TEST,
    async () => {
      await using platform = await testPlatform();
      using server = new Server(platform, 1);
      const conversation = server.conversations[0]!;
      await waitUntil(() => conversation.isPaused, { what: "it is paused" });
      conversation.ask();
      await waitUntil(() => !conversation.isPaused, { what: "the request is released" });
      conversation.answer();
      assert.equal(conversation.hasAnswer, false);
      await waitUntil(() => conversation.hasAnswer, { what: "the answer comes" });
      assert.equal(conversation.isPaused, true);
    },
  );

  for (const mode of ["not blocking", "blocking"] as const) {
    const name = "releases a request although the server has read another one without being woken";
    test(`${name}, ${mode}`, TEST, async () => {
      await using platform = await testPlatform();
      using server = new Server(platform, 1);
      const conversation = server.conversations[0]!;
      conversation.ask();
      conversation.answer();
      await waitUntil(() => conversation.isPaused, { what: "it is paused" });
      // All within one sample: another request was answered, and one more waits.
      conversation.ask();
      conversation.answer();
      conversation.ask();
      if (mode === "blocking") conversation.makeBlocking();
      await waitUntil(() => !conversation.isPaused, {
        what: "the request is released",
        deadlineMs: SOON_MS,
      });
      conversation.answer();
    });
  }

  test("commits only after the preview, on a slow machine too", TEST, async () => {
    await using platform = await testPlatform();
    const ready: KeepAliveCounts[] = [];
    using server = new Server(platform, 1, {
      onRefresh: () => stall(STALL_MS),
      quietMs: 1,
      onCommitted: (kept) => ready.push(kept),
    });
    const conversation = server.conversations[0]!;
    conversation.ask();
    // Otherwise the kernel cannot tell which came first.
    stall(TICK_MS);
    conversation.answer();
    await waitUntil(() => conversation.isPaused || ready.length > 0, { what: "a decision" });
    assert.deepEqual(ready, []);
  });

  test("moves as many as it has descriptors for, and resumes the others", TEST, async () => {
    await using platform = await testPlatform();
    const sent: MovingConnection[] = [];
    let kept: KeepAliveCounts | null = null;
    using server = new Server(platform, CLIENTS, {
      inFlight: {
        wakeAccepted: () => {},
        capacity: CAPACITY,
        start: (connection: MovingConnection) => sent.push(connection),
      } as unknown as InFlightMoves,
      quietMs: 50,
      onCommitted: (counts) => kept = counts,
    });
    const { conversations } = server;
    for (const conversation of conversations) {
      conversation.ask();
      conversation.answer();
      await waitUntil(() => conversation.isPaused, { what: "it is paused" });
      // This request is followed, so the connection may move.
      conversation.ask();
      await waitUntil(() => !conversation.isPaused, { what: "the request is released" });
      conversation.answer();
    }
    await waitUntil(() => kept !== null, { what: "all are idle" });
    for (const { socket } of sent) socket.close();
    assert.deepEqual(kept, { moved: CAPACITY, left: CLIENTS - CAPACITY, finished: 0 });
    assert.equal(conversations.filter(({ isPaused }) => isPaused).length, CAPACITY);
  });
});

describe("ConnectionTable", () => {
  test("keeps connections that it cannot reach for lack of descriptors", TEST, async () => {
    await using platform = await testPlatform();
    const { listener, address } = listenAt(platform, "127.0.0.1");
    using _ = listener;
    using conversation = new Conversation(platform, { listener, address });
    const listeners = {
      groups: [{ address, tcp: address, members: [] }],
      ports: [address.port],
    } as unknown as Listeners;
    const table = new ConnectionTable(platform, listeners, () => [platform.runtime.pid]);
    table.refresh();
    const [connection] = table.connections;
    assert.ok(connection !== undefined);
    using socket = table.duplicate(connection);
    pause(platform, socket ?? assert.fail("it is there"));
    const unreached = withoutDescriptors(platform, () => table.resume());
    assert.deepEqual([unreached, table.size, conversation.isPaused], [[connection], 1, true]);
    assert.deepEqual([table.resume(unreached), conversation.isPaused], [[], false]);
    table.close();
  });
});
