/**
 * A gRPC check: one call of grpc.health.v1.Health/Check over HTTP/2 without TLS. Only OK with SERVING passes;
 * NOT_SERVING, SERVICE_UNKNOWN, UNIMPLEMENTED are wrong answers, as in Envoy.
 * https://github.com/grpc/grpc/blob/master/doc/health-checking.md and PROTOCOL-HTTP2.md
 */
import { ascii, type Dialogue, type DialogueStep, NEED_MORE } from "./dialogue.ts";
import {
  dataOf,
  encodeFields,
  encodeFrame,
  FLAG,
  FRAME,
  type Frame,
  FrameReader,
  grpcStatusIn,
  PREFACE,
} from "./http2_frames.ts";
import { type CheckResult, failure, success, wrongAnswer } from "./monitor.ts";
import { concatBytes } from "../platform/bytes.ts";

const STREAM = 1;
const MESSAGE_HEADER = 5;
const LONGEST_MESSAGE = 4096;
const NOTHING = new Uint8Array(0);
/** HealthCheckResponse.ServingStatus. */
const SERVING = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
/** https://github.com/grpc/grpc/blob/master/doc/statuscodes.md */
const STATUS_NAMES =
  ("OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS " +
    "PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE " +
    "DATA_LOSS UNAUTHENTICATED").split(" ");

export class GrpcDialogue implements Dialogue {
  readonly opening: Uint8Array;
  readonly #frames = new FrameReader();
  #message: Uint8Array = NOTHING;
  #grpcStatus: number | null = null;
  #hasAnswered = false;

  constructor(options: { host: string; service: string }) {
    const fields = encodeFields([
      [":method", "POST"],
      [":scheme", "http"],
      [":path", "/grpc.health.v1.Health/Check"],
      [":authority", options.host],
      ["te", "trailers"],
      ["content-type", "application/grpc"],
      ["user-agent", "baton-health-check"],
    ]);
    this.opening = concatBytes(
      PREFACE,
      encodeFrame({ type: FRAME.SETTINGS, flags: 0, stream: 0, payload: NOTHING }),
      encodeFrame({
        type: FRAME.HEADERS,
        flags: FLAG.END_HEADERS,
        stream: STREAM,
        payload: fields,
      }),
      encodeFrame({
        type: FRAME.DATA,
        flags: FLAG.END_STREAM,
        stream: STREAM,
        payload: encodeRequest(options.service),
      }),
    );
  }

  onData(bytes: Uint8Array): DialogueStep {
    if (!this.#hasAnswered && bytes[0] === "H".charCodeAt(0)) {
      return { result: failure("it speaks HTTP/1, not gRPC") };
    }
    this.#hasAnswered ||= bytes.length > 0;
    const frames = this.#frames.add(bytes);
    if (frames === null) return { result: failure("its answer is not HTTP/2") };
    const replies: Uint8Array[] = [];
    for (const frame of frames) {
      const { send: say, result } = this.#onFrame(frame);
      if (result !== undefined) return { result };
      if (say !== undefined) replies.push(say);
    }
    return replies.length > 0 ? { send: concatBytes(...replies) } : NEED_MORE;
  }

  onEnd(): CheckResult {
    return failure(`it closed the connection: ${this.timeoutDetail}`);
  }

  get timeoutDetail(): string {
    return this.#hasAnswered ? "HTTP/2, and no answer to the call" : "no answer";
  }

  #onFrame(frame: Frame): DialogueStep {
    const { type, flags, stream, payload } = frame;
    switch (type) {
      case FRAME.SETTINGS:
      case FRAME.PING:
        if ((flags & FLAG.ACK) !== 0) return NEED_MORE;
        return {
          send: encodeFrame({
            type,
            flags: FLAG.ACK,
            stream: 0,
            payload: type === FRAME.PING ? payload : NOTHING,
          }),
        };
      case FRAME.GOAWAY:
        return this.#onGoaway(payload);
      case FRAME.RST_STREAM:
        return { result: failure("it reset the call") };
      case FRAME.HEADERS:
      case FRAME.CONTINUATION:
        this.#grpcStatus = grpcStatusIn(payload) ?? this.#grpcStatus;
        break;
      case FRAME.DATA:
        if (this.#message.length < LONGEST_MESSAGE) {
          this.#message = concatBytes(this.#message, dataOf(frame));
        }
        break;
      default:
        return NEED_MORE;
    }
    const ends = stream === STREAM && type !== FRAME.CONTINUATION &&
      (flags & FLAG.END_STREAM) !== 0;
    return ends ? { result: this.#judge() } : NEED_MORE;
  }

  /** A server that stops gracefully still answers the streams up to `last`. */
  #onGoaway(payload: Uint8Array): DialogueStep {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
    const last = payload.length >= 8 ? view.getUint32(0) & 0x7fff_ffff : 0;
    const error = payload.length >= 8 ? view.getUint32(4) : 0;
    if (error === 0 && last >= STREAM) return NEED_MORE;
    return { result: failure(`it said GOAWAY (error ${error})`) };
  }

  #judge(): CheckResult {
    const status = this.#grpcStatus;
    if (status !== null && status !== 0) {
      return wrongAnswer(`grpc-status ${status} ${STATUS_NAMES[status] ?? ""}`.trimEnd());
    }
    const serving = servingStatusIn(this.#message);
    if (serving === null) return wrongAnswer("its answer is not a HealthCheckResponse");
    const name = SERVING[serving] ?? `serving status ${serving}`;
    return serving === SERVING.indexOf("SERVING") ? success(name) : wrongAnswer(name);
  }
}

/** HealthCheckRequest { string service = 1; }, length-prefixed. */
function encodeRequest(service: string): Uint8Array {
  const name = ascii(service);
  const length: number[] = [];
  let rest = name.length;
  for (; rest >= 128; rest >>>= 7) length.push(rest & 127 | 128);
  const message = name.length === 0
    ? NOTHING
    : concatBytes(Uint8Array.of(0x0a, ...length, rest), name);
  const header = new Uint8Array(MESSAGE_HEADER);
  new DataView(header.buffer).setUint32(1, message.length);
  return concatBytes(header, message);
}

/** HealthCheckResponse { ServingStatus status = 1; } @returns null: not one */
function servingStatusIn(bytes: Uint8Array): number | null {
  if (bytes.length < MESSAGE_HEADER || bytes[0] !== 0) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const message = bytes.subarray(MESSAGE_HEADER);
  if (message.length !== view.getUint32(1)) return null;
  // Protocol Buffers omit the default value.
  if (message.length === 0) return 0;
  const value = message[1];
  return message[0] === 0x08 && value !== undefined && value < 128 ? value : null;
}
