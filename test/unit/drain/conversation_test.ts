/** When a connection that is in use may be ended: only in a pause that is known to be one. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Conversation, follow, mayClose } from "../../../src/drain/conversation.ts";
import type { TcpSocket, TcpTraffic } from "../../../src/platform/network/sock_diag.ts";

const PATIENCE = { quietMs: 2_000, inHurry: false };
const REQUEST = 100;
const ANSWER = 200;

/** A look at a connection, as times on one clock: [at, last received, last sent, requests, answers]. */
type Look = readonly [
  atMs: number,
  receivedAt: number,
  sentAt: number,
  requests: number,
  answers: number,
];

function socket([atMs, receivedAt, sentAt, requests, answers]: Look, state = 1): TcpSocket {
  const traffic: TcpTraffic = {
    sinceSentMs: atMs - sentAt,
    sinceReceivedMs: atMs - receivedAt,
    sinceAckMs: atMs - sentAt,
    bytesAcked: answers * ANSWER,
    bytesReceived: requests * REQUEST,
  };
  const local = { family: "inet", host: "127.0.0.1", port: 80, scope: 0 } as const;
  return {
    state,
    local,
    remote: { ...local, port: 1234 },
    inode: 1,
    uid: 0,
    receiveQueue: 0,
    sendQueue: 0,
    boundInterface: 0,
    traffic,
  };
}

function verdict(looks: readonly Look[]): boolean {
  let conversation: Conversation | null = null;
  for (const look of looks) conversation = follow(conversation, socket(look), look[0]);
  return mayClose(conversation!, socket(looks.at(-1)!), PATIENCE);
}

/** A client that asks at 0, 100, 200, ...; the answer takes 20 ms; looked at every 10 ms up to `untilMs`. */
function regular(untilMs: number): Look[] {
  const looks: Look[] = [];
  for (let atMs = 5; atMs <= untilMs; atMs += 10) {
    const turn = Math.floor(atMs / 100);
    const isAnswered = atMs % 100 >= 20;
    const sentAt = (isAnswered ? turn : turn - 1) * 100 + 20;
    looks.push([atMs, turn * 100, sentAt, turn + 1, isAnswered ? turn + 1 : turn]);
  }
  return looks;
}

describe("mayEnd()", () => {
  const table: [string, readonly Look[], boolean][] = [
    ["a connection that was silent for long, at first sight", [[9_000, 100, 110, 1, 1]], true],
    ["one that never had a request, and is old", [[9_000, 0, 0, 0, 0]], true],
    ["one that is new", [[100, 0, 0, 0, 0]], false],
    ["a pause at first sight: nothing is known of its use", [[150, 100, 110, 1, 1]], false],
    ["while an answer is owed", regular(405), false],
    ["right after an answer: more of it may come", regular(425), false],
    ["in the pause, after some exchanges", regular(445), true],
    ["late in the pause: the next request may be on its way", regular(485), false],
    ["in the first pause", regular(45), false],
    ["in the second: one gap is not enough", regular(145), false],
    [
      // No samples from 45 to 245 and from 265 to 425 ms: two exchanges in between look like one long pause.
      "what was not looked at for long",
      regular(485).filter(([atMs]) => atMs < 50 || (atMs > 240 && atMs < 270) || atMs > 420),
      false,
    ],
    [
      // Sends at 0, 40, 80, ... without being asked: a stream of events.
      "a stream that has pauses",
      Array.from({ length: 60 }, (_, i): Look => {
        const atMs = 5 + i * 10;
        const sent = Math.floor(atMs / 40);
        return [atMs, -50, sent * 40, 1, sent + 1];
      }),
      false,
    ],
  ];
  for (const [name, looks, expected] of table) {
    it(`${expected ? "ends" : "leaves"} ${name}`, () => assert.equal(verdict(looks), expected));
  }

  it("takes a later moment when it is in a hurry, but not the last", () => {
    for (const [untilMs, expected] of [[465, true], [485, false]] as const) {
      let conversation: Conversation | null = null;
      const looks = regular(untilMs);
      for (const look of looks) conversation = follow(conversation, socket(look), look[0]);
      const last = socket(looks.at(-1)!);
      assert.equal(mayClose(conversation!, last, { ...PATIENCE, inHurry: true }), expected);
    }
  });

  it("ends one whose answer was late once, when it is in a hurry or has forgotten that", () => {
    const table: [untilMs: number, calm: boolean, hurried: boolean][] = [
      [345, false, true],
      [1_245, false, true],
      [2_045, true, true],
    ];
    for (const [untilMs, calm, hurried] of table) {
      // The third answer came in two parts, with 40 ms between them.
      const looks = regular(untilMs).map((look): Look =>
        look[0] > 260 && look[0] < 320 ? [look[0], 200, 260, 3, 3.5] : look
      );
      let conversation: Conversation | null = null;
      for (const look of looks) conversation = follow(conversation, socket(look), look[0]);
      const last = socket(looks.at(-1)!);
      const verdicts = [false, true].map((inHurry) =>
        mayClose(conversation!, last, { ...PATIENCE, inHurry })
      );
      assert.deepEqual(verdicts, [calm, hurried], `at ${untilMs} ms`);
    }
  });

  it("leaves one with unread bytes, or that is closing", () => {
    const look: Look = [9_000, 100, 110, 1, 1];
    const conversation = follow(null, socket(look), look[0]);
    assert.equal(mayClose(conversation, { ...socket(look), receiveQueue: 1 }, PATIENCE), false);
    assert.equal(mayClose(conversation, socket(look, 8), PATIENCE), false);
    assert.equal(mayClose(conversation, { ...socket(look), traffic: null }, PATIENCE), false);
  });
});
