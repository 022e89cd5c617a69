/** The HTTP/2 client of `make bench-peers` tells what a server has not begun with from what is lost. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { describe, test } from "node:test";
import { H2Load } from "../../scripts/bench/peers/h2_load.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { waitUntil } from "../support/wait_until.ts";

const LIMIT = { timeout: TEST_TIMEOUT_MS };
const HEAD_LENGTH = 9;
const HEADERS = 1;
const [NO_ERROR, REFUSED_STREAM, CANCEL] = [0, 7, 8];
const STATUS = { ok: 0x88, notFound: 0x8d, error: 0x8e } as const;

type Answer = (socket: Socket, stream: number) => void;

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(HEAD_LENGTH);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

function numbers(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => bytes.writeUInt32BE(value, 4 * index));
  return bytes;
}

const status = (code: number): Answer => (socket, stream) => {
  socket.write(frame(HEADERS, 4, stream, Buffer.from([code])));
  socket.write(frame(0, 1, stream, Buffer.from("version=1\n")));
};
const answered = status(STATUS.ok);
const reset = (code: number): Answer => (socket, stream) =>
  void socket.write(frame(3, 0, stream, numbers(code)));
/** A first one that the server has not begun with when it says that it ends the connection. */
const goAway = (lastId: number): Answer => (socket) =>
  void socket.write(frame(7, 0, 0, numbers(lastId, NO_ERROR)));

/** What becomes of requests, of which the server treats the first as `first`, and all others well. */
async function loaded(first: Answer) {
  let requests = 0;
  const server = createServer((socket) => {
    let received: Buffer = Buffer.alloc(0);
    let isPrefaceRead = false;
    socket.on("error", () => {});
    socket.on("data", (bytes: Buffer) => {
      received = Buffer.concat([received, bytes]);
      if (!isPrefaceRead && received.length >= 24) {
        isPrefaceRead = true;
        received = received.subarray(24);
      }
      while (isPrefaceRead && received.length >= HEAD_LENGTH) {
        const length = HEAD_LENGTH + received.readUIntBE(0, 3);
        if (received.length < length) return;
        const [type, stream] = [received[3], received.readUInt32BE(5)];
        received = received.subarray(length);
        if (type === HEADERS) (requests++ === 0 ? first : answered)(socket, stream);
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const timing = { thinkTimeMs: 1, timeoutMs: 2_000, onAnswer: () => {} };
  const load = new H2Load({ port, connections: 1, streams: 1, ...timing });
  try {
    await waitUntil(() => load.tally.ok > 3, { what: "later requests are answered" });
    const tally = await load.stop();
    return { tally, repeated: load.repeated };
  } finally {
    server.close();
  }
}

describe("the HTTP/2 client of bench-peers", () => {
  for (
    const [what, first] of [
      ["refused (REFUSED_STREAM)", reset(REFUSED_STREAM)],
      ["above the last one of GOAWAY", goAway(0)],
    ] as const
  ) {
    test(`repeats a request that is ${what}: it is not lost`, LIMIT, async () => {
      const { tally, repeated } = await loaded(first);
      assert.equal(tally.lost, 0, JSON.stringify(tally));
      assert.equal(repeated, 1);
    });
  }

  for (
    const [what, first, cause] of [
      ["is reset", reset(CANCEL), "reset"],
      ["ends with the connection", (socket: Socket) => void socket.end(), "short"],
      [
        "ends with the connection, although GOAWAY says that it counts",
        (socket: Socket) => void socket.end(frame(7, 0, 0, numbers(1, NO_ERROR))),
        "short",
      ],
      ["is answered with 500", status(STATUS.error), "unexpected"],
      ["is answered with 404", status(STATUS.notFound), "unexpected"],
      ["is never answered", () => {}, "timedOut"],
    ] as const
  ) {
    test(`loses a request that ${what}`, LIMIT, async () => {
      const { tally, repeated } = await loaded(first);
      assert.equal(tally.lost, 1, JSON.stringify(tally));
      assert.equal(tally[cause], 1, JSON.stringify(tally));
      assert.equal(repeated, 0);
    });
  }

  test("loses nothing where all is answered", LIMIT, async () => {
    const { tally, repeated } = await loaded(answered);
    assert.equal(tally.lost + repeated, 0, JSON.stringify(tally));
  });
});
