/** A gRPC check against answers frame by frame: those of real servers as they were on the wire, and broken ones. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ascii } from "../../../src/health/dialogue.ts";
import { GrpcDialogue } from "../../../src/health/grpc_dialogue.ts";
import {
  encodeFields,
  encodeFrame,
  FLAG,
  FRAME,
  FrameReader,
  grpcStatusIn,
  PREFACE,
} from "../../../src/health/http2_frames.ts";
import { concatBytes } from "../../../src/platform/bytes.ts";

const NOTHING = new Uint8Array(0);
const SETTINGS = frame(FRAME.SETTINGS, 0, 0, NOTHING);
const SETTINGS_ACK = frame(FRAME.SETTINGS, FLAG.ACK, 0, NOTHING);
const HEAD = frame(FRAME.HEADERS, FLAG.END_HEADERS, 1, Uint8Array.of(0x88));
const END = FLAG.END_STREAM;

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Uint8Array {
  return encodeFrame({ type, flags, stream, payload });
}

function hex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (byte) => parseInt(byte, 16));
}

function message(...bytes: number[]): Uint8Array {
  return Uint8Array.of(0, 0, 0, 0, bytes.length, ...bytes);
}

/** Trailers with this status, in the spelling of servers that know no Huffman code (C++). */
function trailers(status: string): Uint8Array {
  const block = encodeFields([["grpc-status", status]]);
  return frame(FRAME.HEADERS, FLAG.END_HEADERS | END, 1, block);
}

const data = (bytes: Uint8Array, flags = 0) => frame(FRAME.DATA, flags, 1, bytes);
const SERVING = message(0x08, 1);

/** "+": passed, "?": a counted failure, "!": a wrong answer, "...": more must come. */
function verdict(answer: Uint8Array, ends = false): string {
  const all = [answer, ...[...answer].map((byte) => Uint8Array.of(byte))];
  const texts = [all.slice(0, 1), all.slice(1)].map((pieces) => {
    const dialogue = new GrpcDialogue({ host: "a:1", service: "" });
    for (const piece of pieces) {
      const { result } = dialogue.onData(piece);
      if (result) return `${result.passed ? "+" : result.counts ? "?" : "!"} ${result.text}`;
    }
    return ends ? `? ${dialogue.onEnd().text}` : "...";
  });
  assert.equal(texts[1], texts[0], "byte by byte as in one piece");
  return texts[0] ?? "";
}

describe("GrpcDialogue", () => {
  test("opens with the preface, settings, and the whole call", () => {
    const { opening } = new GrpcDialogue({ host: "127.0.0.1:50051", service: "my.Service" });
    assert.deepEqual(opening.subarray(0, PREFACE.length), PREFACE);
    const frames = new FrameReader().add(opening.subarray(PREFACE.length)) ?? [];
    assert.deepEqual(frames.map(({ type, flags, stream }) => [type, flags, stream]), [
      [FRAME.SETTINGS, 0, 0],
      [FRAME.HEADERS, FLAG.END_HEADERS, 1],
      [FRAME.DATA, FLAG.END_STREAM, 1],
    ]);
    const fields = new TextDecoder().decode(frames[1]?.payload);
    for (const text of ["/grpc.health.v1.Health/Check", "127.0.0.1:50051", "trailers"]) {
      assert.ok(fields.includes(text), text);
    }
    const request = concatBytes(Uint8Array.of(0, 0, 0, 0, 12, 0x0a, 10), ascii("my.Service"));
    assert.deepEqual(frames[2]?.payload, request);
  });

  test("asks about the server as a whole with an empty message", () => {
    const { opening } = new GrpcDialogue({ host: "a", service: "" });
    const frames = new FrameReader().add(opening.subarray(PREFACE.length)) ?? [];
    assert.deepEqual(frames[2]?.payload, new Uint8Array(5));
  });

  test("acknowledges settings and pings, and not their acknowledgements", () => {
    const dialogue = new GrpcDialogue({ host: "a", service: "" });
    const ping = frame(FRAME.PING, 0, 0, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    const pong = frame(FRAME.PING, FLAG.ACK, 0, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    const { send: say } = dialogue.onData(concatBytes(SETTINGS, SETTINGS_ACK, ping, pong));
    assert.deepEqual(say, concatBytes(SETTINGS_ACK, pong));
  });

  const cases: [string, Uint8Array, string][] = [
    ["SERVING", concatBytes(SETTINGS, HEAD, data(SERVING), trailers("0")), "+ SERVING"],
    ["SERVING without trailers", concatBytes(HEAD, data(SERVING, END)), "+ SERVING"],
    [
      "SERVING in two frames, one of them with padding",
      concatBytes(
        HEAD,
        data(SERVING.subarray(0, 3)),
        data(concatBytes(Uint8Array.of(2), SERVING.subarray(3), Uint8Array.of(0, 0)), FLAG.PADDED),
        trailers("0"),
      ),
      "+ SERVING",
    ],
    ["no trailers yet", concatBytes(SETTINGS, HEAD, data(SERVING)), "..."],
    ["NOT_SERVING", concatBytes(HEAD, data(message(0x08, 2)), trailers("0")), "! NOT_SERVING"],
    [
      "SERVICE_UNKNOWN",
      concatBytes(HEAD, data(message(0x08, 3)), trailers("0")),
      "! SERVICE_UNKNOWN",
    ],
    [
      "UNKNOWN, which is not written",
      concatBytes(HEAD, data(message()), trailers("0")),
      "! UNKNOWN",
    ],
    ["a status of tomorrow", concatBytes(HEAD, data(message(0x08, 9), END)), "! serving status 9"],
    [
      "SERVING, and then a failure",
      concatBytes(HEAD, data(SERVING), trailers("14")),
      "! grpc-status 14 UNAVAILABLE",
    ],
    ["UNIMPLEMENTED", trailers("12"), "! grpc-status 12 UNIMPLEMENTED"],
    ["NOT_FOUND", trailers("5"), "! grpc-status 5 NOT_FOUND"],
    [
      "UNIMPLEMENTED as Node spells it, with Huffman's code for the name",
      hex(
        "000000040000000000000000040100000000000045010500000001885f901d75d0620d263d4c4d6564ff75d8" +
          "749f40889acac8b21234da8f02313240899acac8b5254207317f01786196dc34fd2820a9a4fdd41004e28205" +
          "c643704ca98b46ff",
      ),
      "! grpc-status 12 UNIMPLEMENTED",
    ],
    [
      "an answer without a message",
      concatBytes(HEAD, trailers("0")),
      "! its answer is not a HealthCheckResponse",
    ],
    [
      "a compressed message",
      concatBytes(HEAD, data(Uint8Array.of(1, 0, 0, 0, 2, 8, 1), END)),
      "! its answer is not a HealthCheckResponse",
    ],
    [
      "half a message",
      concatBytes(HEAD, data(SERVING.subarray(0, 6), END)),
      "! its answer is not a HealthCheckResponse",
    ],
    [
      "another message",
      concatBytes(HEAD, data(message(0x10, 1), END)),
      "! its answer is not a HealthCheckResponse",
    ],
    [
      "a reset",
      concatBytes(HEAD, frame(FRAME.RST_STREAM, 0, 1, new Uint8Array(4))),
      "? it reset the call",
    ],
    [
      "GOAWAY that still answers us",
      concatBytes(frame(FRAME.GOAWAY, 0, 0, hex("0000000100000000")), HEAD, data(SERVING, END)),
      "+ SERVING",
    ],
    [
      "GOAWAY before us",
      concatBytes(frame(FRAME.GOAWAY, 0, 0, hex("0000000000000000")), HEAD),
      "? it said GOAWAY (error 0)",
    ],
    [
      "GOAWAY because of an error",
      frame(FRAME.GOAWAY, 0, 0, hex("0000000100000002")),
      "? it said GOAWAY (error 2)",
    ],
    ["HTTP/1", ascii("HTTP/1.1 400 Bad Request\r\n\r\n"), "? it speaks HTTP/1, not gRPC"],
    ["an unsolicited frame", frame(0x0c, 0, 0, NOTHING), "..."],
    ["not a frame", hex("ffffffffffffffffff"), "? its answer is not HTTP/2"],
  ];
  for (const [name, answer, expected] of cases) {
    test(name, () => assert.equal(verdict(answer), expected));
  }

  test("an end before the answer", () => {
    const text = "? it closed the connection: HTTP/2, and no answer to the call";
    assert.equal(verdict(concatBytes(SETTINGS, HEAD), true), text);
    assert.equal(verdict(NOTHING, true), "? it closed the connection: no answer");
  });
});

describe("grpcStatusIn()", () => {
  const NAME = "889acac8b21234da8f";
  const cases: [string, string, number | null][] = [
    ["digits as they are", `40${NAME}0130`, 0],
    ["two digits", `40${NAME}023134`, 14],
    ["one digit in Huffman's code: 0", `40${NAME}8107`, 0],
    ["one digit in Huffman's code: 5", `40${NAME}816f`, 5],
    ["two digits in Huffman's code: 12", `40${NAME}8208bf`, 12],
    ["two digits in Huffman's code: 16", `40${NAME}820b9f`, 16],
    ["no such field", "88", null],
    ["no number", `40${NAME}0178`, null],
    ["nothing behind the name", `40${NAME}`, null],
  ];
  for (const [name, block, expected] of cases) {
    test(name, () => assert.equal(grpcStatusIn(hex(block)), expected));
  }
});
