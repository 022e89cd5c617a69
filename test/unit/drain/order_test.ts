/**
 * Who has sent last when the last send and the last receive fell into one tick. What the kernel counts and shows in each
 * story was seen on Linux 6.18; that a real one still does is in test/platform/interactive_mode_test.ts.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { judge } from "../../../src/drain/classify.ts";
import { Tracks } from "../../../src/drain/connections.ts";
import { ModeQuestions } from "../../../src/drain/mode_questions.ts";
import { C } from "../../../src/platform/libc/constants.ts";
import { ACKNOWLEDGED_MS, ASK_MODE_MS, lastSender, mayNeedMode } from "../../../src/drain/order.ts";
import type { TcpSocket, TcpTraffic } from "../../../src/platform/network/sock_diag.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const INODE = 7;
const QUIET_MS = 500;
const PORT = 80;

/** Bytes received and sent, segments received, acknowledgments without data. */
type Counters = readonly [received: number, sent: number, segments: number, acks: number];

interface Story {
  /** What a look before has seen. */
  readonly first?: Counters;
  readonly now: Counters;
  readonly silentMs?: number;
  readonly isInteractive?: boolean;
  readonly state?: number;
  /** At the look before. */
  readonly unacknowledged?: number;
  readonly other?: Partial<TcpTraffic>;
}

function socket([received, sent, segments, acks]: Counters, silentMs: number): TcpSocket {
  const end = { family: "inet", host: "127.0.0.1", port: PORT, scope: 0 } as const;
  return {
    state: 1,
    inode: INODE,
    uid: 0,
    boundInterface: 0,
    local: end,
    remote: end,
    receiveQueue: 0,
    sendQueue: 0,
    traffic: {
      sinceSentMs: silentMs,
      sinceReceivedMs: silentMs,
      sinceAckMs: silentMs,
      bytesReceived: received,
      bytesAcked: sent,
      acksSent: acks,
      hasSynData: false,
      segmentsReceived: segments,
      segmentsSent: 1,
    },
  };
}

function told(story: Story) {
  const { first, now, silentMs = 600, isInteractive = false, other = {}, state = 1 } = story;
  const tracks = new Tracks();
  const sendQueue = story.unacknowledged ?? 0;
  if (first) tracks.note([{ ...socket(first, 60_000), sendQueue }], 9_000);
  const found = socket(now, silentMs);
  const latest = { ...found, state, traffic: { ...found.traffic!, ...other } };
  tracks.note([latest], 10_000);
  tracks.noteModes([INODE], new Set(isInteractive ? [INODE] : []), 10_000);
  return lastSender(latest, tracks.get(INODE));
}

const isInteractive = true;

describe("lastSender(), both in one tick", () => {
  const cases: [string, Story, "server" | "unknown"][] = [
    ["one request, answered", { now: [80, 150, 1, 1], isInteractive }, "server"],
    ["four, answered", { now: [320, 600, 4, 1], isInteractive }, "server"],
    ["a greeting, then a request", { now: [80, 30, 1, 1] }, "unknown"],
    ["a greeting, then a request in two", { now: [160, 30, 2, 2] }, "unknown"],
    ["answered, then a request", { now: [160, 150, 2, 2] }, "unknown"],
    ["answered, then one in two", { now: [240, 150, 3, 2], isInteractive }, "unknown"],
    ["answered, then half an upload", { now: [30_080, 150, 2, 2], isInteractive }, "unknown"],
    ["100 Continue, then the body", { now: [130, 25, 2, 2] }, "unknown"],
    ["100 Continue, then the body in two", { now: [180, 25, 3, 2], isInteractive }, "unknown"],
    ["answered, too early to tell", {
      now: [80, 150, 1, 1],
      isInteractive,
      silentMs: ACKNOWLEDGED_MS - 1,
    }, "unknown"],
    ["the first data came with the SYN", {
      now: [160, 150, 2, 1],
      isInteractive,
      other: { hasSynData: true },
    }, "unknown"],
    ["the client has half-closed it", {
      now: [700, 30, 1, 1],
      isInteractive,
      state: C.TCP_CLOSE_WAIT,
    }, "unknown"],
    ["a kernel that does not count", {
      now: [80, 150, 1, 1],
      isInteractive,
      other: { acksSent: undefined } as unknown as Partial<TcpTraffic>,
    }, "unknown"],

    ["a request since the first look, acknowledged by data", {
      first: [80, 150, 1, 5],
      now: [160, 300, 2, 5],
    }, "server"],
    ["by itself", { first: [80, 150, 1, 5], now: [160, 300, 2, 6], isInteractive }, "unknown"],
    ["too early to tell", {
      first: [80, 150, 1, 5],
      now: [160, 300, 2, 5],
      silentMs: ACKNOWLEDGED_MS - 1,
    }, "unknown"],
    ["none since the first look, nothing sent", {
      first: [80, 150, 1, 5],
      now: [80, 150, 1, 5],
    }, "unknown"],
    ["none since the first look, and an answer", {
      first: [80, 150, 1, 5],
      now: [80, 300, 1, 5],
      silentMs: 10,
    }, "server"],
    ["none since the first look, and an answer that was on its way", {
      first: [160, 150, 2, 5],
      unacknowledged: 150,
      now: [160, 300, 2, 5],
    }, "unknown"],
  ];
  for (const [name, story, expected] of cases) {
    it(`${name}: ${expected}`, () => assert.equal(told(story), expected));
  }
});

describe("ModeQuestions", () => {
  interface World {
    readonly sockets: readonly TcpSocket[];
    readonly interactive?: readonly number[];
    readonly spoiled?: readonly number[];
  }

  function ask({ sockets, interactive = [INODE], spoiled = [] }: World) {
    const clock = new FakeClock();
    const tracks = new Tracks();
    let reads = 0;
    const questions = new ModeQuestions(clock, () => {
      reads++;
      return { interactive: new Set(interactive), spoiled: new Set(spoiled) };
    });
    const blocking = new Set(sockets.map(({ inode }) => inode));
    const look = () => {
      tracks.note(sockets, clock.now());
      questions.ask(sockets, blocking, tracks);
      return sockets.map((each) => judge(each, QUIET_MS, tracks.get(each.inode)).blocksDrain);
    };
    return { look, clock, tracks, reads: () => reads };
  }

  const tie = (silentMs = 600) => socket([80, 150, 1, 1], silentMs);

  it("lets a drain end that waits for nothing else", () => {
    const { look, reads } = ask({ sockets: [tie()] });
    assert.deepEqual(look(), [false]);
    assert.equal(reads(), 1);
  });

  const cases: [string, World, reads: number][] = [
    ["no connection is in that mode", { sockets: [tie()], interactive: [] }, 1],
    ["its listener is in that mode too", { sockets: [tie()], spoiled: [PORT] }, 1],
    ["it is too early", { sockets: [tie(ASK_MODE_MS - 1)] }, 0],
    ["another one is waited for all the same", {
      sockets: [tie(), { ...socket([80, 150, 1, 3], 600), inode: 8 }],
    }, 0],
  ];
  for (const [name, world, expected] of cases) {
    it(`goes on waiting: ${name}`, () => {
      const { look, reads } = ask(world);
      assert.equal(look()[0], true);
      assert.equal(reads(), expected);
    });
  }

  it("does not mind a look that took longer than the one before", () => {
    const { look, tracks } = ask({ sockets: [tie(ASK_MODE_MS)] });
    look();
    const later = tie(ASK_MODE_MS);
    tracks.note([later], 100);
    assert.equal(judge(later, 0, tracks.get(INODE)).blocksDrain, false);
  });

  it("asks once for one silence, and not twice in a second", async () => {
    const { look, reads, clock, tracks } = ask({ sockets: [tie()], interactive: [] });
    look();
    await clock.advance(5_000);
    tracks.noteModes([INODE], new Set(), clock.now());
    look();
    assert.equal(reads(), 1);
    assert.equal(mayNeedMode(tie(), tracks.get(INODE)!), false);
  });

  it("forgets what it was told when something moves", () => {
    const { look, tracks } = ask({ sockets: [tie()] });
    look();
    const later = socket([160, 150, 2, 2], 600);
    tracks.note([later], 20_000);
    assert.equal(judge(later, QUIET_MS, tracks.get(INODE)).blocksDrain, true);
  });
});
