/** Connections that are held back until they can be moved, on real sockets: nobody is held back and forgotten. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, test } from "node:test";
import type { InFlightMoves, MovingConnection } from "../../src/migration/in_flight.ts";
import { pause } from "../../src/migration/pause.ts";
import type { KeepAliveCounts } from "../../src/migration/keep_alive_counts.ts";
import { Mover } from "../../src/migration/mover.ts";
import type { MoverOptions } from "../../src/migration/mover_options.ts";
import { Watchlist } from "../../src/migration/watchlist.ts";
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
const ROOM = 2;
/** Longer than the preview of all connections takes. */
const STALL_MS = 50;
/** Of the kernel, by which it says when something came. */
const TICK_MS = 12;
/** Far less than until everybody is let in, whatever was seen (rounds.ts). */
const SOON_MS = 3_000;

/** One connection, both ends of which this process has. */
class Conversation implements Disposable {
  readonly #client: Fd;
  readonly #server: Fd;

  constructor(readonly platform: Platform, { listener, address }: ReturnType<typeof listenAt>) {
    this.#client = connectInet(platform, address);
    this.#server = platform.sockets.accept(listener) ?? assert.fail("nobody is in the queue");
  }

  get isHeldBack(): boolean {
    return this.platform.sockets.option(this.#server, C.SOL_SOCKET, C.SO_RCVLOWAT) > 1;
  }

  ask(): void {
    this.platform.descriptors.writeAll(this.#client, REQUEST);
  }

  /** The server reads, whether it was woken or not, and answers. */
  answer(): void {
    const read = this.platform.descriptors.read(this.#server, new Uint8Array(100));
    assert.equal(read?.length, REQUEST.length);
    this.platform.descriptors.writeAll(this.#server, ANSWER);
  }

  readInBlockingMode(): void {
    this.platform.descriptors.setBlocking(this.#server);
  }

  [Symbol.dispose](): void {
    for (const socket of [this.#client, this.#server]) socket.close();
  }
}

/** A server of this process, and the mover of its connections. */
class Server implements Disposable {
  readonly #stack = new DisposableStack();
  readonly conversations: readonly Conversation[];

  constructor(readonly platform: Platform, clients: number, options: Partial<MoverOptions> = {}) {
    const listening = listenAt(platform, "127.0.0.1");
    this.#stack.use(listening.listener);
    this.conversations = Array.from(
      { length: clients },
      () => this.#stack.use(new Conversation(platform, listening)),
    );
    const { address } = listening;
    const listeners = { groups: [{ address, members: [] }] } as unknown as Listeners;
    const never = () => assert.fail("nobody is to be moved");
    const mover = new Mover(platform, {
      ...{
        listeners,
        crossings: {} as unknown as InFlightMoves,
        processes: () => [platform.runtime.pid],
        isSucceeded: () => true,
      },
      ...{ quietMs: 60_000, drainTimeMs: 60_000, settleMs: Infinity },
      ...{ onReady: never, onEnd: never },
      ...options,
    });
    this.#stack.defer(() => mover.cancel());
  }

  [Symbol.dispose](): void {
    this.#stack.dispose();
  }
}

/** The whole process is busy with something else. */
function stall(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** As if this process could have no descriptor more. */
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
  for (const mode of ["not blocking", "blocking"] as const) {
    const name = "lets a request in although its server has read another one without being woken";
    test(`${name}, ${mode}`, TEST, async () => {
      await using platform = await testPlatform();
      using server = new Server(platform, 1);
      const conversation = server.conversations[0]!;
      conversation.ask();
      conversation.answer();
      await waitUntil(() => conversation.isHeldBack, { what: "it is held back" });
      // All at once: at the next look there has been one request more, and another one waits.
      conversation.ask();
      conversation.answer();
      conversation.ask();
      if (mode === "blocking") conversation.readInBlockingMode();
      await waitUntil(() => !conversation.isHeldBack, {
        ...{ what: "the request is let in", deadlineMs: SOON_MS },
      });
      conversation.answer();
    });
  }

  test("gives nobody up before it was looked at, on a machine that is slow", TEST, async () => {
    await using platform = await testPlatform();
    const ready: KeepAliveCounts[] = [];
    using server = new Server(platform, 1, {
      processes: () => {
        stall(STALL_MS);
        return [platform.runtime.pid];
      },
      quietMs: 1,
      onReady: (kept) => ready.push(kept),
    });
    const conversation = server.conversations[0]!;
    conversation.ask();
    // Else the kernel cannot tell which came first.
    stall(TICK_MS);
    conversation.answer();
    await waitUntil(() => conversation.isHeldBack || ready.length > 0, { what: "a decision" });
    assert.deepEqual(ready, []);
  });

  test("moves no more than it has descriptors for, and lets the others in", TEST, async () => {
    await using platform = await testPlatform();
    const sent: MovingConnection[] = [];
    let kept: KeepAliveCounts | null = null;
    using server = new Server(platform, CLIENTS, {
      crossings: {
        room: ROOM,
        add: (passenger: MovingConnection) => sent.push(passenger),
      } as unknown as InFlightMoves,
      quietMs: 50,
      onReady: (counts) => kept = counts,
    });
    const { conversations } = server;
    for (const conversation of conversations) {
      conversation.ask();
      conversation.answer();
      await waitUntil(() => conversation.isHeldBack, { what: "it is held back" });
      // Followed, so that it may move.
      conversation.ask();
      await waitUntil(() => !conversation.isHeldBack, { what: "the request is let in" });
      conversation.answer();
    }
    await waitUntil(() => kept !== null, { what: "all of them rest" });
    for (const { socket } of sent) socket.close();
    assert.deepEqual(kept, { moved: ROOM, left: CLIENTS - ROOM, finished: 0 });
    assert.equal(conversations.filter(({ isHeldBack }) => isHeldBack).length, ROOM);
  });
});

describe("Watchlist", () => {
  test("forgets nobody because baton has too few descriptors", TEST, async () => {
    await using platform = await testPlatform();
    const { listener, address } = listenAt(platform, "127.0.0.1");
    using _ = listener;
    using conversation = new Conversation(platform, { listener, address });
    const listeners = { groups: [{ address, members: [] }] } as unknown as Listeners;
    const list = new Watchlist(platform, listeners, () => [platform.runtime.pid]);
    list.find();
    const [entry] = list.entries;
    assert.ok(entry !== undefined);
    using socket = list.duplicate(entry);
    pause(platform, socket ?? assert.fail("it is there"));
    const shut = withoutDescriptors(platform, () => list.letIn());
    assert.deepEqual([shut, list.size, conversation.isHeldBack], [[entry], 1, true]);
    assert.deepEqual([list.letIn(shut), conversation.isHeldBack], [[], false]);
    list.close();
  });
});
