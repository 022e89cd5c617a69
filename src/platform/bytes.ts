/**
 * Linux passes bytes: arguments, variables and paths need not be UTF-8. In baton they are strings, in
 * which each byte that is not part of well-formed UTF-8 is one lone surrogate, U+DC80 to U+DCFF, as in Python
 * (PEP 383). Well-formed UTF-8 has no surrogates, so no byte is lost on the way in and out, and JSON.stringify
 * writes them as \udcXX, so they survive in every plan and state. Pure.
 *
 * TextEncoder, `node:fs` and `node:path` of Bun do not keep such a string: they turn the surrogate into U+FFFD.
 */

/** Byte 0xNN is U+DCNN. */
const ESCAPE = 0xdc00;
/** With `u`, halves of a pair do not match. */
const ESCAPED_BYTES = /[\udc80-\udcff]+/gu;
const HALF_CHARACTER = /[\ud800-\udfff]/gu;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @returns a string from which `encodeBytes` makes the same bytes */
export function decodeBytes(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    return decodeParts(bytes);
  }
}

function decodeParts(bytes: Uint8Array): string {
  const parts: string[] = [];
  let wellFormed = 0;
  let at = 0;
  const endRun = () => {
    if (wellFormed < at) parts.push(decoder.decode(bytes.subarray(wellFormed, at)));
  };
  while (at < bytes.length) {
    const length = sequenceLength(bytes, at);
    if (length > 0) {
      at += length;
      continue;
    }
    endRun();
    parts.push(String.fromCharCode(ESCAPE + bytes[at]!));
    wellFormed = ++at;
  }
  endRun();
  return parts.join("");
}

/** @returns the length of the well-formed sequence at `at`; 0: there is none (Unicode, table 3-7) */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  const second = bytes[at + 1] ?? 0;
  const least = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const most = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (second < least || second > most) return 0;
  for (let i = 2; i < length; i++) if (((bytes[at + i] ?? 0) & 0xc0) !== 0x80) return 0;
  return length;
}

/** @returns the bytes that `text` stands for; half a character of baton's own becomes U+FFFD */
export function encodeBytes(text: string): Uint8Array {
  if (text.isWellFormed()) return encoder.encode(text);
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const { 0: escaped, index } of text.matchAll(ESCAPED_BYTES)) {
    parts.push(encoder.encode(text.slice(at, index)));
    parts.push(Uint8Array.from(escaped, (char) => char.charCodeAt(0) - ESCAPE));
    at = index + escaped.length;
  }
  parts.push(encoder.encode(text.slice(at)));
  return concatBytes(...parts);
}

/** @returns `value` as JSON */
export function jsonBytes(value: unknown): Uint8Array<ArrayBuffer> {
  return encoder.encode(JSON.stringify(value));
}

/** @returns the parts, one behind the other, in an array of its own */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const part of parts) {
    whole.set(part, end);
    end += part.length;
  }
  return whole;
}

/** @returns where `wanted` starts in `bytes`; -1: nowhere */
export function indexOfBytes(bytes: Uint8Array, wanted: Uint8Array): number {
  for (let at = 0; at + wanted.length <= bytes.length; at++) {
    if (wanted.every((byte, i) => bytes[at + i] === byte)) return at;
  }
  return -1;
}

/** False when some of its bytes are not UTF-8. */
export function isText(text: string): boolean {
  return text.isWellFormed();
}

/** For people, and for programs that need UTF-8: each byte that is not UTF-8 as \xNN. */
export function printable(text: string): string {
  if (text.isWellFormed()) return text;
  return text.replace(HALF_CHARACTER, (char) => {
    const byte = char.charCodeAt(0) - ESCAPE;
    return byte < 0x80 || byte > 0xff ? "\ufffd" : `\\x${byte.toString(16)}`;
  });
}
