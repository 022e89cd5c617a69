/** Whether an answer shows that a server speaks QUIC. RFC 8999 section 6 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isVersionNegotiation, versionQuestion } from "../../../src/handoff/datagrams/quic.ts";

const IDS = {
  destination: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  source: Uint8Array.of(11, 12, 13, 14, 15, 16, 17, 18),
};
/** An Initial packet's header, with a version that is reserved for asking. */
const HEADER = [0xc0, 0x1a, 0x2a, 0x3a, 0x4a, 8, ...IDS.destination, 8, ...IDS.source];
/** Ids exchanged, then version 1. */
const ANSWER = [0x9b, 0, 0, 0, 0, 8, ...IDS.source, 8, ...IDS.destination, 0, 0, 0, 1];

test("the question is a first packet of full size", () => {
  const question = versionQuestion(IDS);
  assert.equal(question.length, 1200);
  assert.deepEqual([...question.subarray(0, HEADER.length)], HEADER);
  assert.ok(question.subarray(HEADER.length).every((byte) => byte === 0));
});

const OTHERS: Record<string, readonly number[]> = {
  "an echo": [...versionQuestion(IDS)],
  "nothing": [],
  "a short header": [0x40, ...ANSWER.slice(1)],
  "a packet of version 1": ANSWER.map((byte, i) => i === 4 ? 1 : byte),
  "an answer to somebody else": ANSWER.map((byte, i) => i === 8 ? 99 : byte),
  "no version": ANSWER.slice(0, -4),
  "a format error of DNS": [0xc0, 0x1a, 0x81, 0x01, 0, 0, 0, 0, 0, 0, 0, 0],
};

test("a Version Negotiation packet is QUIC's", () => {
  assert.equal(isVersionNegotiation(Uint8Array.from(ANSWER), IDS), true);
});
for (const [what, bytes] of Object.entries(OTHERS)) {
  test(`${what} is not`, () => {
    assert.equal(isVersionNegotiation(Uint8Array.from(bytes), IDS), false);
  });
}
