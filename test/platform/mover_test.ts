/** Connections that are held back until they can be moved, on real sockets: nobody is held back and forgotten. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, test } from "node:test";
import type { CrossingTable } from "../../src/migrate/crossing.ts";
import { Mover } from "../../src/migrate/mover.ts";
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
/** Far less than until everybody is let in, whatever was seen (rounds.ts). */
const SOON_MS = 3_000;

/** A server of this process with one connection, and its mover. */
class Conversation implements Disposable {
  readonly #listener: Fd;
  readonly #client: Fd;
  readonly #server: Fd;
  readonly #mover: Mover;

  constructor(readonly platform: Platform) {
    const { listener, address } = listenAt(platform, "127.0.0.1");
    this.#listener = listener;
    this.#client = connectInet(platform, address);
    this.#server = platform.sockets.accept(listener) ?? assert.fail("nobody is in the queue");
    const listeners = { groups: [{ address, members: [] }] } as unknown as Listeners;
    const never = () => assert.fail("nobody is to be moved");
    this.#mover = new Mover(platform, {
      ...{ listeners, crossings: {} as CrossingTable, processes: () => [platform.runtime.pid] },
      ...{ quietMs: 60_000, drainTimeMs: 60_000, settleMs: Infinity },
      ...{ onReady: never, onCut: never },
    });
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
    this.#mover.cancel();
    for (const socket of [this.#client, this.#server, this.#listener]) socket.close();
  }
}

describe("Mover", () => {
  for (const mode of ["not blocking", "blocking"] as const) {
    const name = "lets a request in although its server has read another one without being woken";
    test(`${name}, ${mode}`, { timeout: TEST_TIMEOUT_MS }, async () => {
      await using platform = await testPlatform();
      using conversation = new Conversation(platform);
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
});
