/** Messages between two batons: they come out as they went in, and nothing else comes in. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { jsonBytes } from "../../../../src/platform/bytes.ts";
import {
  commonVersion,
  MAX_MEMBERS_IN_MESSAGE,
  MESSAGE_LIMIT,
  parseReply,
  parseRequest,
  type Reply,
  type Request,
  versionsText,
} from "../../../../src/succession/takeover/messages.ts";
import { cutReason } from "../../../../src/succession/state/fields.ts";
import { TEST_TIMEOUT_MS } from "../../../support/limits.ts";

const HELLO = {
  kind: "hello",
  ...{ versions: { min: 1, max: 3 }, baton: "0.1.0", name: "web" },
  ...{ network: "net:[4026531840]", readyTimeoutMs: 60_000, survives: true },
} as const;
const RECORD = {
  ...{ epoch: 2, inode: 4_294_967_295, late: false, owner: 12, unheld: false, dead: true },
  ...{ receiving: false, origin: null },
} as const;
const ADDRESS = {
  family: "inet6",
  ...{ host: "2001:db8:1111:2222:3333:4444:5555:6666", port: 65_535 },
  ...{ scope: 2, v6only: true, boundInterface: 0 },
} as const;
const GROUP = { kind: "group", index: 0, address: ADDRESS, members: [RECORD], next: 60 } as const;
const ACCEPTED = {
  kind: "accepted",
  ...{ version: 1, baton: "0.1.0", name: "web", network: "net:[1]", epoch: 0 },
  ...{
    nextEpoch: 1,
    startedAt: "2026-01-01T00:00:00.000Z",
    notified: true,
    groups: 1,
    survives: true,
  },
  counters: { ok: 1, failed: 2, crashes: 3 },
} as const;

const REQUESTS: readonly Request[] = [
  HELLO,
  { kind: "group", index: 3, from: 60 },
  { kind: "member", index: 3 },
  { kind: "switch", members: [1, 2, 3] },
  { kind: "terminate" },
  { kind: "failed", reason: "no luck" },
];

const REPLIES: readonly Reply[] = [
  ACCEPTED,
  GROUP,
  { ...GROUP, next: null },
  { kind: "member", index: 0, member: RECORD },
  { kind: "switched", counters: { ok: 0, failed: 0, crashes: 0 } },
  { kind: "refused", reason: "busy" },
  { kind: "not_understood", name: "sing" },
];

describe("requests and replies", () => {
  for (const request of REQUESTS) {
    test(`request "${request.kind}" comes out as it went in`, { timeout: TEST_TIMEOUT_MS }, () => {
      assert.deepEqual(parseRequest(jsonBytes(request)), request);
    });
  }
  for (const reply of REPLIES) {
    test(`reply "${reply.kind}" comes out as it went in`, { timeout: TEST_TIMEOUT_MS }, () => {
      assert.deepEqual(parseReply(jsonBytes(reply)), reply);
    });
  }

  test("a request of a later version is not a fault", { timeout: TEST_TIMEOUT_MS }, () => {
    const later = jsonBytes({ kind: "sing", song: "new" });
    assert.deepEqual(parseRequest(later), { kind: "unknown", name: "sing" });
    assert.throws(() => parseReply(later), /"kind" is "sing", which is not an answer/);
  });

  test("fields of a later version are left out", { timeout: TEST_TIMEOUT_MS }, () => {
    assert.deepEqual(parseRequest(jsonBytes({ ...HELLO, mood: "good" })), HELLO);
  });

  test("the largest of each kind fits into a message", { timeout: TEST_TIMEOUT_MS }, () => {
    const group = { ...GROUP, members: Array(MAX_MEMBERS_IN_MESSAGE).fill(RECORD) };
    const members = Array(4096).fill(RECORD.inode);
    const reason = cutReason("\u{1f600}".repeat(10_000));
    for (const message of [group, { kind: "switch", members }, { kind: "refused", reason }]) {
      assert.ok(jsonBytes(message as Reply).length < MESSAGE_LIMIT);
    }
    assert.deepEqual(parseReply(jsonBytes(group)), group);
    assert.equal(parseRequest(jsonBytes({ kind: "switch", members })).kind, "switch");
    assert.equal(parseReply(jsonBytes({ kind: "refused", reason })).kind, "refused");
  });
});

const required = (message: object) => Object.keys(message).filter((name) => name !== "kind");
const without = (message: object, name: string) =>
  Object.fromEntries(Object.entries(message).filter(([key]) => key !== name));

const BAD_REQUESTS: readonly [what: string, value: unknown, says: RegExp][] = [
  ["not an object", 1, /"message" must be an object, and is 1/],
  ["a list", [1], /"kind" must be present, and is nothing/],
  ["null", null, /"message" must be an object, and is null/],
  ["no kind", {}, /"kind" must be present, and is nothing/],
  ["a kind that is no text", { kind: 7 }, /"kind" must be a text/],
  ["a long kind", { kind: "x".repeat(201) }, /"kind" must be a text of at most 200/],
  ...required(HELLO).map((name): [string, unknown, RegExp] => [
    `hello without ${name}`,
    without(HELLO, name),
    new RegExp(`"${name}" must be`),
  ]),
  [
    "versions the wrong way round",
    { ...HELLO, versions: { min: 3, max: 2 } },
    /"versions.max" must be/,
  ],
  [
    "version 0",
    { ...HELLO, versions: { min: 0, max: 2 } },
    /"versions.min" must be a whole number from 1/,
  ],
  [
    "a version with a comma",
    { ...HELLO, versions: { min: 1.5, max: 2 } },
    /"versions.min" must be/,
  ],
  ["a time for ever", { ...HELLO, readyTimeoutMs: 1e300 }, /"readyTimeoutMs" must be/],
  ["a negative index", { kind: "member", index: -1 }, /"index" must be/],
  ["an index as text", { kind: "member", index: "1" }, /"index" must be .*, and is "1"/],
  ["too many members", { kind: "switch", members: Array(4097).fill(1) }, /a list of at most 4096/],
  ["a member that is none", { kind: "switch", members: [0] }, /"members.0" must be/],
  ["members as an object", { kind: "switch", members: { length: 1 } }, /"members" must be a list/],
  ["an endless reason", { kind: "failed", reason: "x".repeat(4001) }, /"reason" must be/],
];

const BAD_REPLIES: readonly [what: string, value: unknown, says: RegExp][] = [
  ...required(ACCEPTED).map((name): [string, unknown, RegExp] => [
    `accepted without ${name}`,
    without(ACCEPTED, name),
    new RegExp(`"${name}" must be`),
  ]),
  ["a version that we do not speak", { ...ACCEPTED, version: 2 }, /"version" must be/],
  ["nothing to take over", { ...ACCEPTED, groups: 0 }, /"groups" must be/],
  ["a date that is none", { ...ACCEPTED, startedAt: "now" }, /"startedAt" must be a date/],
  [
    "a negative counter",
    { ...ACCEPTED, counters: { ...ACCEPTED.counters, ok: -1 } },
    /"counters.ok" must/,
  ],
  [
    "a family that is none",
    { ...GROUP, address: { ...ADDRESS, family: "ipx" } },
    /"address.family" must be one of inet, inet6/,
  ],
  ["port 0", { ...GROUP, address: { ...ADDRESS, port: 0 } }, /"address.port" must be/],
  ["too many members", { ...GROUP, members: Array(61).fill(RECORD) }, /a list of at most 60/],
  ["a member that is none", { ...GROUP, members: [7] }, /"members.0" must be an object/],
  [
    "a flag that is none",
    { kind: "member", index: 0, member: { ...RECORD, dead: 1 } },
    /"member.dead"/,
  ],
  [
    "an unknown origin",
    { kind: "member", index: 0, member: { ...RECORD, origin: "hotel" } },
    /"member.origin" must be one of grouped, shared/,
  ],
  ["a next page before the first", { ...GROUP, next: 0 }, /"next" must be/],
];

describe("malformed messages", () => {
  for (const [what, value, says] of BAD_REQUESTS) {
    test(`request: ${what}`, { timeout: TEST_TIMEOUT_MS }, () => {
      assert.throws(() => parseRequest(jsonBytes(value)), says);
    });
  }
  for (const [what, value, says] of BAD_REPLIES) {
    test(`reply: ${what}`, { timeout: TEST_TIMEOUT_MS }, () => {
      assert.throws(() => parseReply(jsonBytes(value)), says);
    });
  }

  test("what is not JSON at all, or no UTF-8", { timeout: TEST_TIMEOUT_MS }, () => {
    for (const data of [new Uint8Array([0]), new Uint8Array([0xff, 0x22]), new Uint8Array(9)]) {
      assert.throws(() => parseRequest(data), /\d bytes that are not JSON/);
      assert.throws(() => parseReply(data), /\d bytes that are not JSON/);
    }
  });
});

describe("commonVersion()", () => {
  const cases: readonly [a: [number, number], b: [number, number], common: number | null][] = [
    [[1, 1], [1, 1], 1],
    [[1, 3], [2, 9], 3],
    [[2, 9], [1, 3], 3],
    [[1, 1], [2, 2], null],
    [[3, 4], [1, 2], null],
  ];
  for (const [[min, max], [otherMin, otherMax], common] of cases) {
    test(
      `of ${min}-${max} and ${otherMin}-${otherMax} is ${common}`,
      { timeout: TEST_TIMEOUT_MS },
      () => {
        assert.equal(commonVersion({ min, max }, { min: otherMin, max: otherMax }), common);
      },
    );
  }

  test("versions in words", { timeout: TEST_TIMEOUT_MS }, () => {
    assert.equal(versionsText({ min: 1, max: 1 }), "version 1");
    assert.equal(versionsText({ min: 1, max: 3 }), "versions 1 to 3");
  });
});
