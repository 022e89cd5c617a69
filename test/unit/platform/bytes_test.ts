/** Bytes in strings: whatever they are, they come out as they went in, also through JSON. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  decodeBytes,
  encodeBytes,
  indexOfBytes,
  isText,
  printable,
} from "../../../src/platform/bytes.ts";
import { Random } from "../../support/random.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";

const timeout = TEST_TIMEOUT_MS;
const hex = (bytes: Uint8Array) => [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
const unhex = (text: string) =>
  Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

/** Out and back, and once more through JSON and its UTF-8, as plans and states go. */
function roundTrips(bytes: Uint8Array): void {
  const text = decodeBytes(bytes);
  assert.equal(hex(encodeBytes(text)), hex(bytes));
  const sent = new TextEncoder().encode(JSON.stringify({ [text]: [text] }));
  const [[key, [value]]] = Object.entries(JSON.parse(new TextDecoder().decode(sent))) as [
    [string, [string]],
  ];
  assert.equal(hex(encodeBytes(key)), hex(bytes), "as a key");
  assert.equal(hex(encodeBytes(value)), hex(bytes), "as a value");
}

describe("decodeBytes() and encodeBytes()", () => {
  test("keep more single bytes than a call takes arguments", () => {
    const text = "a\udcff".repeat(100_000);
    const bytes = encodeBytes(text);
    assert.equal(bytes.length, 200_000);
    assert.equal(decodeBytes(bytes), text);
  });

  const cases: readonly [name: string, bytes: string, text: string, shown: string][] = [
    ["nothing", "", "", ""],
    ["ASCII", "6e61", "na", "na"],
    ["UTF-8", "c3a9e282acf09f9880", "\u00e9\u20ac\u{1f600}", "\u00e9\u20ac\u{1f600}"],
    ["Latin-1", "6e61ef7665", "na\udcefve", "na\\xefve"],
    ["a byte order mark", "efbbbf41", "\ufeffA", "\ufeffA"],
    ["U+FFFD itself", "efbfbd", "\ufffd", "\ufffd"],
    [
      "never a byte of UTF-8",
      "fffec0c1f5",
      "\udcff\udcfe\udcc0\udcc1\udcf5",
      "\\xff\\xfe\\xc0\\xc1\\xf5",
    ],
    ["a continuation alone", "41bf42", "A\udcbfB", "A\\xbfB"],
    ["two bytes, cut off", "c3", "\udcc3", "\\xc3"],
    ["three bytes, cut off", "e28241", "\udce2\udc82A", "\\xe2\\x82A"],
    ["four bytes, cut off", "f09f98", "\udcf0\udc9f\udc98", "\\xf0\\x9f\\x98"],
    ["two bytes too long for ASCII", "c0af", "\udcc0\udcaf", "\\xc0\\xaf"],
    ["three bytes too long", "e09fbf", "\udce0\udc9f\udcbf", "\\xe0\\x9f\\xbf"],
    ["four bytes too long", "f08fbfbf", "\udcf0\udc8f\udcbf\udcbf", "\\xf0\\x8f\\xbf\\xbf"],
    ["above U+10FFFF", "f4908080", "\udcf4\udc90\udc80\udc80", "\\xf4\\x90\\x80\\x80"],
    ["a surrogate (CESU-8)", "edb3a9", "\udced\udcb3\udca9", "\\xed\\xb3\\xa9"],
    [
      "a pair of them",
      "eda0bdedb880",
      "\udced\udca0\udcbd\udced\udcb8\udc80",
      "\\xed\\xa0\\xbd\\xed\\xb8\\x80",
    ],
    ["an astral character with DC80 in it", "f0908280", "\u{10080}", "\u{10080}"],
    ["a byte behind one", "f09f9880e9", "\u{1f600}\udce9", "\u{1f600}\\xe9"],
    ["a byte before one", "e9f09f9880", "\udce9\u{1f600}", "\\xe9\u{1f600}"],
    [
      "the borders of UTF-8",
      "7fc280dfbfe0a080ed9fbfee8080f0908080f48fbfbf",
      "\u007f\u0080\u07ff\u0800\ud7ff\ue000\u{10000}\u{10ffff}",
      "\u007f\u0080\u07ff\u0800\ud7ff\ue000\u{10000}\u{10ffff}",
    ],
  ];
  for (const [name, bytes, text, shown] of cases) {
    test(name, { timeout }, () => {
      assert.equal(decodeBytes(unhex(bytes)), text);
      assert.equal(hex(encodeBytes(text)), bytes);
      assert.equal(printable(text), shown);
      assert.equal(isText(text), shown === text);
      roundTrips(unhex(bytes));
    });
  }

  test("each byte, and each two bytes", { timeout }, () => {
    for (let first = 0; first < 256; first++) {
      roundTrips(Uint8Array.of(first));
      for (let second = 0; second < 256; second += first < 0x80 ? 51 : 1) {
        const bytes = Uint8Array.of(first, second);
        assert.equal(hex(encodeBytes(decodeBytes(bytes))), hex(bytes));
      }
    }
  });

  test("any bytes, as Node reads them where they are UTF-8", { timeout }, () => {
    const random = new Random(20_261_128);
    const parts = [
      "41",
      "c3a9",
      "e282ac",
      "f09f9880",
      "e9",
      "80",
      "ed",
      "a0",
      "f0",
      "9f",
      "c3",
      "ff",
    ];
    for (let i = 0; i < 2_000; i++) {
      const count = random.below(12);
      const bytes = unhex(Array.from({ length: count }, () => random.pick(parts)).join(""));
      roundTrips(bytes);
      // A second opinion on what is UTF-8.
      const plain = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
      assert.equal(isText(decodeBytes(bytes)), !plain.includes("\ufffd"), hex(bytes));
    }
  });

  test("parts of texts that are put together are the bytes put together", { timeout }, () => {
    const [a, b] = [decodeBytes(unhex("41c3")), decodeBytes(unhex("a942"))];
    assert.equal(hex(encodeBytes(a + b)), "41c3a942");
    assert.equal(hex(encodeBytes(`${a}=${b}`)), "41c33da942");
  });

  test("half a character that baton has cut itself is no byte", { timeout }, () => {
    assert.equal(hex(encodeBytes("\u{1f600}".slice(0, 1) + "A")), "efbfbd41");
    assert.equal(printable("\u{1f600}".slice(0, 1)), "\ufffd");
  });
});

describe("indexOfBytes()", () => {
  const cases: [string, string, number][] = [
    ["abcabd", "abd", 3],
    ["abcabd", "abc", 0],
    ["aab", "ab", 1],
    ["ab", "abc", -1],
    ["", "a", -1],
    ["abc", "x", -1],
  ];
  for (const [text, wanted, expected] of cases) {
    const encoder = new TextEncoder();
    test(`"${wanted}" in "${text}": ${expected}`, () => {
      assert.equal(indexOfBytes(encoder.encode(text), encoder.encode(wanted)), expected);
    });
  }
});
