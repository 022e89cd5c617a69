/**
 * The part of HTTP/2 that one call needs: frames, and literal header fields. RFC 9113, RFC 7541. Pure.
 *
 * The server's header blocks are not decoded, which would need its dynamic table and the whole Huffman code. Only one
 * field in them matters, and its two encodings are known.
 */
import { ascii } from "./dialogue.ts";
import { concatBytes, indexOfBytes } from "../platform/bytes.ts";

export const PREFACE = ascii("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

/** RFC 9113, section 6. */
export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  RST_STREAM: 3,
  SETTINGS: 4,
  PING: 6,
  GOAWAY: 7,
  CONTINUATION: 9,
} as const;

export const FLAG = { END_STREAM: 1, ACK: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 0x20 } as const;

const HEADER_BYTES = 9;
/** SETTINGS_MAX_FRAME_SIZE by default; baton does not ask for more. */
const LONGEST_PAYLOAD = 16_384;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Uint8Array;
}

export function encodeFrame({ type, flags, stream, payload }: Frame): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setUint32(0, payload.length << 8 | type);
  view.setUint8(4, flags);
  view.setUint32(5, stream);
  return concatBytes(header, payload);
}

/** Splits incoming bytes into frames. */
export class FrameReader {
  #rest: Uint8Array = new Uint8Array(0);

  /** @returns complete frames; null: this is not HTTP/2 */
  add(bytes: Uint8Array): Frame[] | null {
    this.#rest = concatBytes(this.#rest, bytes);
    const frames: Frame[] = [];
    while (this.#rest.length >= HEADER_BYTES) {
      const view = new DataView(this.#rest.buffer, this.#rest.byteOffset, this.#rest.length);
      const length = view.getUint32(0) >>> 8;
      if (length > LONGEST_PAYLOAD) return null;
      if (this.#rest.length < HEADER_BYTES + length) break;
      frames.push({
        type: view.getUint8(3),
        flags: view.getUint8(4),
        stream: view.getUint32(5) & 0x7fff_ffff,
        payload: this.#rest.slice(HEADER_BYTES, HEADER_BYTES + length),
      });
      this.#rest = this.#rest.subarray(HEADER_BYTES + length);
    }
    return frames;
  }
}

/** The payload of a DATA frame, without its padding. */
export function dataOf({ flags, payload }: Frame): Uint8Array {
  if ((flags & FLAG.PADDED) === 0) return payload;
  return payload.subarray(1, Math.max(1, payload.length - (payload[0] ?? 0)));
}

/** A header block in which each field is a literal without indexing and without Huffman code. */
export function encodeFields(fields: readonly (readonly [name: string, value: string])[]) {
  return concatBytes(...fields.flatMap(([name, value]) => [
    Uint8Array.of(0),
    encodeText(name),
    encodeText(value),
  ]));
}

/** A string literal, whose length is an integer with a 7-bit prefix. */
function encodeText(text: string): Uint8Array {
  const bytes = ascii(text);
  const limit = 127;
  if (bytes.length < limit) return concatBytes(Uint8Array.of(bytes.length), bytes);
  const length = [limit];
  let rest = bytes.length - limit;
  for (; rest >= 128; rest >>>= 7) length.push(rest & 127 | 128);
  return concatBytes(Uint8Array.of(...length, rest), bytes);
}

/** "grpc-status" with its length: plain, and in Huffman code. */
const STATUS_NAMES = [
  concatBytes(Uint8Array.of(11), ascii("grpc-status")),
  Uint8Array.of(0x88, 0x9a, 0xca, 0xc8, 0xb2, 0x12, 0x34, 0xda, 0x8f),
];

/** @returns grpc-status if this header block has it in a readable form, otherwise null */
export function grpcStatusIn(block: Uint8Array): number | null {
  for (const name of STATUS_NAMES) {
    const at = indexOfBytes(block, name);
    if (at >= 0) return statusAt(block.subarray(at + name.length));
  }
  return null;
}

function statusAt(bytes: Uint8Array): number | null {
  const [length = 0] = bytes;
  const value = bytes.subarray(1, 1 + (length & 127));
  const digits = (length & 128) === 0 ? new TextDecoder().decode(value) : huffmanDigits(value);
  return /^\d{1,2}$/.test(digits) ? Number(digits) : null;
}

/** Digits only: 0 to 2 have 5 bits, 3 to 9 have 6 (RFC 7541, appendix B). */
function huffmanDigits(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  let digits = "";
  for (let at = 0; at < bits.length;) {
    const five = parseInt(bits.slice(at, at + 5), 2);
    const six = parseInt(bits.slice(at, at + 6), 2);
    if (five <= 2 && at + 5 <= bits.length) {
      digits += five;
      at += 5;
    } else if (six >= 0x19 && six <= 0x1f && at + 6 <= bits.length) {
      digits += six - 0x19 + 3;
      at += 6;
    } else {
      // The rest is padding, or not a digit.
      return /^1*$/.test(bits.slice(at)) ? digits : "";
    }
  }
  return digits;
}
