/**
 * What several looks tell of a connection that one cannot: streams, answers in pieces, 100 Continue; and what remains
 * unknown. Each story is a list of sendings, looked at as often as a drain does.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { judge, type Judgement } from "../../../src/drain/classify.ts";
import { follow, isLongLived, type Track } from "../../../src/drain/track.ts";
import type { TcpSocket } from "../../../src/platform/network/sock_diag.ts";

const QUIET_MS = 500;
const LOOK_MS = 250;
const REQUEST = 200;
const NO_TLS = true;

/** Who sends how many bytes, when. */
type Sending = readonly [atMs: number, who: "client" | "server", bytes: number];

function socket(sendings: readonly Sending[], atMs: number): TcpSocket {
  const sofar = sendings.filter(([at]) => at <= atMs);
  const of = (who: string) => sofar.filter(([, sender]) => sender === who);
  const last = (who: string) => of(who).at(-1)?.[0] ?? sendings[0]![0];
  const sum = (who: string) => of(who).reduce((total, [, , bytes]) => total + bytes, 0);
  const end = { family: "inet", host: "127.0.0.1", port: 80, scope: 0 } as const;
  return {
    ...{ state: 1, inode: 1, uid: 0, boundInterface: 0, local: end, remote: end },
    ...{ receiveQueue: 0, sendQueue: 0 },
    traffic: {
      sinceSentMs: atMs - last("server"),
      sinceReceivedMs: atMs - last("client"),
      sinceAckMs: atMs - last("server"),
      bytesAcked: sum("server"),
      bytesReceived: sum("client"),
      segmentsSent: of("server").length,
      segmentsReceived: of("client").length,
    },
  };
}

/** @param fromMs of the first look; the drain begins then */
function trackOf(sendings: readonly Sending[], fromMs: number, atMs: number): Track {
  let track: Track | null = null;
  for (let at = fromMs; at < atMs; at += LOOK_MS) track = follow(track, socket(sendings, at), at);
  return follow(track, socket(sendings, atMs), atMs)!;
}

function judged(sendings: readonly Sending[], fromMs: number, atMs: number): Judgement {
  const track = trackOf(sendings, fromMs, atMs);
  const { activity, blocksDrain } = judge(socket(sendings, atMs), QUIET_MS, track, NO_TLS);
  return { activity, blocksDrain };
}

/** A request at 0, and so many messages of the server. */
function stream(everyMs: number, count: number, bytes = 50): Sending[] {
  const messages = Array.from({ length: count }, (_, i) => (
    [(i + 1) * everyMs, "server", bytes] as const
  ));
  return [[0, "client", REQUEST], [2, "server", 129], ...messages];
}

const ANSWERED: Sending[] = [[0, "client", REQUEST], [20, "server", 5_000]];
const SLOW: Sending[] = [[0, "client", REQUEST], [4_000, "server", 500]];
const SLOW_IN_TWO: Sending[] = [[0, "client", REQUEST], [2_000, "server", 500], [
  4_000,
  "server",
  1,
]];
/** So many requests, answered in so many pieces each; the last at 5,000. */
function turns(count: number, each: number): Sending[] {
  return Array.from({ length: count }, (_, turn) => {
    const atMs = 5_000 - (count - 1 - turn) * 1_000;
    const answer = Array.from({ length: each }, (_, i) => (
      [atMs - each + 1 + i, "server", 90] as const
    ));
    return [[atMs - 20, "client", REQUEST] as const, ...answer];
  }).flat();
}
const CONTINUE: Sending[] = [[0, "client", REQUEST], [2, "server", 25]];

describe("judge() after several looks", () => {
  const waits = true;
  const cases: [string, Sending[], from: number, at: number, Judgement["activity"], boolean][] = [
    ["answered a moment ago", ANSWERED, 100, 300, "undecided", waits],
    ["answered, quiet", ANSWERED, 100, 600, "undecided", !waits],
    ["answered long ago", ANSWERED, 100, 11_000, "idle", !waits],
    ["three alike, or the first part of the third", turns(3, 2), 5_000, 5_500, "undecided", !waits],
    ["three alike, a moment ago", turns(3, 2), 5_000, 5_200, "undecided", waits],
    [
      "three, a piece of the last one is missing",
      turns(3, 2).slice(0, -1),
      5_000,
      5_500,
      "undecided",
      !waits,
    ],
    ["two alike", turns(2, 1), 5_000, 5_500, "undecided", !waits],
    ["a slow answer that is owed", SLOW, 1_000, 3_900, "busy", waits],
    ["a slow answer, seen to come", SLOW, 1_000, 4_600, "undecided", !waits],
    ["a slow answer in one piece", SLOW, 4_300, 4_800, "undecided", !waits],
    ["one in two, or a pause as long as before", SLOW_IN_TWO, 4_300, 7_000, "undecided", waits],
    ["silent for longer than that took", SLOW_IN_TWO, 4_300, 8_200, "undecided", !waits],

    ["written to each 100 ms, two looks", stream(100, 60), 1_010, 1_300, "busy", waits],
    ["written to each 100 ms, at one look", stream(100, 60), 1_050, 1_050, "undecided", waits],
    ["its end, a moment ago", stream(100, 10), 110, 1_250, "busy", waits],
    ["its end, quiet", stream(100, 10), 110, 1_600, "undecided", !waits],
    ["a message each 2 s, after the first one", stream(2_000, 9), 2_900, 3_900, "undecided", waits],
    ["a message each 2 s", stream(2_000, 9), 2_900, 9_900, "busy", waits],
    ["a message each 20 s, long known", stream(20_000, 9), 61_000, 79_000, "undecided", waits],
    ["a message each 20 s, one seen", stream(20_000, 9), 61_000, 95_000, "busy", waits],

    ["100 Continue, waits for the first byte", CONTINUE, 100, 30_000, "busy", waits],
    [
      "100 without its reason",
      [[0, "client", REQUEST], [2, "server", 17]],
      100,
      2_000,
      "busy",
      waits,
    ],
    [
      "a kept connection, 100 Continue after the first look",
      [
        ...ANSWERED,
        ...[[5_000, "client", REQUEST], [5_002, "server", 25]] as Sending[],
      ],
      1_000,
      8_000,
      "busy",
      waits,
    ],
    [
      "the body is there, and answered",
      [
        ...CONTINUE,
        ...[[3_000, "client", 5_000], [3_010, "server", 150]] as Sending[],
      ],
      100,
      3_600,
      "undecided",
      !waits,
    ],
    [
      "25 bytes that answer a short request",
      [[0, "client", 20], [2, "server", 25]],
      100,
      800,
      "undecided",
      !waits,
    ],
  ];
  for (const [name, sendings, from, at, activity, blocksDrain] of cases) {
    it(`${name}: ${activity}${blocksDrain ? ", waited for" : ""}`, () => {
      assert.deepEqual(judged(sendings, from, at), { activity, blocksDrain });
    });
  }

  it("takes bytes that are on their way at one look, and acknowledged at the next, for one answer", () => {
    const kept: Sending[] = [...ANSWERED, [90, "client", REQUEST], [96, "server", 5_000]];
    const found = socket(kept, 100);
    const traffic = { ...found.traffic!, bytesAcked: 5_000 };
    const first = follow(null, { ...found, traffic, sendQueue: 5_000 }, 100);
    assert.equal(follow(first, socket(kept, 350), 350)?.pushes, 0);
  });
});

describe("isLongLived()", () => {
  const chat = stream(1_000, 60).flatMap(([at, who, bytes]): Sending[] =>
    who === "server" && at % 5_000 === 0 ? [[at, who, bytes], [at + 30, "client", 10]] : [
      [at, who, bytes],
    ]
  );
  const kept: Sending[] = [...ANSWERED, [19_000, "client", REQUEST], ...pieces(19_200, 100)];
  const cases: [string, Sending[], from: number, at: number, drainMs: number, boolean][] = [
    ["small messages since before the drain", stream(200, 99), 1_000, 5_000, 6_000, true],
    ["the same, before much was seen of it", stream(200, 99), 1_000, 1_500, 6_000, false],
    [
      "a download that may be finished in time",
      stream(100, 200, 1_000),
      1_000,
      5_500,
      6_000,
      false,
    ],
    ["one that is older than a whole drain", stream(100, 200, 1_000), 1_000, 6_500, 6_000, true],
    ["a WebSocket whose client answers pings", chat, 20_000, 29_000, 10_000, true],
    ["an old kept connection, a download that is not", kept, 15_000, 24_000, 10_000, false],
    ["an answer that is owed", SLOW, 1_000, 3_900, 3_000, false],
    ["silent since its answer", ANSWERED, 100, 9_000, 5_000, false],
  ];
  for (const [name, sendings, from, atMs, drainMs, expected] of cases) {
    it(`${name}: ${expected}`, () => {
      const track = trackOf(sendings, from, atMs);
      assert.equal(
        isLongLived(track, atMs, { beganAtMs: from, endsAtMs: from + drainMs }),
        expected,
      );
    });
  }
});

function pieces(fromMs: number, count: number): Sending[] {
  return Array.from({ length: count }, (_, i) => [fromMs + i * 100, "server", 20] as const);
}
