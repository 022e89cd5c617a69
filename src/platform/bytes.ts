/**
 * Linux passes bytes: arguments, variables and paths need not be UTF-8. In baton they are strings, in
 * which each byte that is not part of well-formed UTF-8 is one lone surrogate, U+DC80 to U+DCFF, as in Python
 * (PEP 383). Well-formed UTF-8 has no surrogates, so no byte is lost on the way in and out, and JSON.stringify
 * writes them as \udcXX, so they survive in every plan and state. Pure.
 *
 * TextEncoder, `node:fs` and `node:path` of Bun do not keep such a string: they turn the surrogate into U+FFFD.
 */

/** Added to a byte that is not UTF-8: byte 0xNN is U+DCNN. */
const ESCAPE = 0xdc00;
/** Runs of such bytes. With `u`, halves of a pair do not match. */
const ESCAPED_BYTES = /[\udc80-\udcff]+/gu;
const HALF_CHARACTER = /[\ud800-\udfff]/gu;

/** Well-formed sequences (Unicode, table 3-7), or one other byte. Bun matches a million of them wrongly. */
const SEQUENCES_OR_BYTE = new RegExp(
  "((?:" + [
    "[\\0-\\x7f]",
    "[\\xc2-\\xdf][\\x80-\\xbf]",
    "\\xe0[\\xa0-\\xbf][\\x80-\\xbf]",
    "[\\xe1-\\xec\\xee\\xef][\\x80-\\xbf]{2}",
    "\\xed[\\x80-\\x9f][\\x80-\\xbf]",
    "\\xf0[\\x90-\\xbf][\\x80-\\xbf]{2}",
    "[\\xf1-\\xf3][\\x80-\\xbf]{3}",
    "\\xf4[\\x80-\\x8f][\\x80-\\xbf]{2}",
  ].join("|") + "){1,1000})|[\\x80-\\xff]",
  "g",
);

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @returns a string from which `encodeBytes` makes the same bytes */
export function decodeBytes(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    const chars = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
    return chars.replace(
      SEQUENCES_OR_BYTE,
      (part, sequences) =>
        sequences === undefined
          ? String.fromCharCode(ESCAPE + part.charCodeAt(0))
          : decoder.decode(Uint8Array.from(part, (char) => char.charCodeAt(0))),
    );
  }
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
  return joined(parts);
}

export function jsonBytes(value: unknown): Uint8Array<ArrayBuffer> {
  return encoder.encode(JSON.stringify(value));
}

/** @returns the parts, one behind the other, in an array of its own */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return joined(parts);
}

/** Joins any number of parts; a function call takes some hundred thousand arguments at most. */
function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
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

/** Whether all of its bytes are UTF-8. */
export function isText(text: string): boolean {
  return text.isWellFormed();
}

/** The text for people, and for programs that need UTF-8: each byte that is not UTF-8 as \xNN. */
export function printable(text: string): string {
  if (text.isWellFormed()) return text;
  return text.replace(HALF_CHARACTER, (char) => {
    const byte = char.charCodeAt(0) - ESCAPE;
    return byte < 0x80 || byte > 0xff ? "\ufffd" : `\\x${byte.toString(16)}`;
  });
}
