/** A question that only a QUIC server answers, and its answer. RFC 9000 section 6, RFC 8999. Pure. */

/** Size of the question: a server must not answer a smaller one. */
export const QUESTION_BYTES = 1200;
const LONG_HEADER = 0x80;
const FIXED_BIT = 0x40;
/** RFC 9000 section 15: of the pattern that is reserved for this purpose. */
const NO_VERSION = 0x1a2a3a4a;

interface QuicIds {
  readonly destination: Uint8Array;
  readonly source: Uint8Array;
}

export function versionQuestion({ destination, source }: QuicIds): Uint8Array {
  const bytes = new Uint8Array(QUESTION_BYTES);
  bytes[0] = LONG_HEADER | FIXED_BIT;
  new DataView(bytes.buffer).setUint32(1, NO_VERSION);
  bytes[5] = destination.length;
  bytes.set(destination, 6);
  bytes[6 + destination.length] = source.length;
  bytes.set(source, 7 + destination.length);
  return bytes;
}

/** @returns whether `answer` is the Version Negotiation packet for that question: its ids are exchanged */
export function isVersionNegotiation(
  answer: Uint8Array,
  { destination, source }: QuicIds,
): boolean {
  const version = [0, 0, 0, 0];
  const ids = [source.length, ...source, destination.length, ...destination];
  const expected = [...version, ...ids];
  if (answer.length <= 1 + expected.length || (answer[0]! & LONG_HEADER) === 0) return false;
  return expected.every((byte, i) => answer[i + 1] === byte);
}
