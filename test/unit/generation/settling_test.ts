/** When a server has come to rest, as tables of looks. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  ALONE_SETTLE_MS,
  nextSettling,
  NOT_SETTLED,
  SETTLE_MS,
  settlingVerdict,
} from "../../../src/generation/settling.ts";
import type { ListenerUse } from "../../../src/process/listener_use.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";

interface Look {
  readonly atMs: number;
  readonly use: ListenerUse;
  readonly isAsleep?: boolean;
  readonly isAlone?: boolean;
  readonly hasAccepted?: boolean;
}

interface Case {
  readonly name: string;
  readonly looks: readonly Look[];
  /** After the last look; at all looks before it waits. */
  readonly verdict: ReturnType<typeof settlingVerdict>;
}

const LATE = SETTLE_MS + 1;

const CASES: readonly Case[] = [
  {
    name: "one look at which it rests is not enough: it may be between two of its own checks",
    looks: [{ atMs: 1, use: "resting" }],
    verdict: "waits",
  },
  {
    name: "two in a row are",
    looks: [{ atMs: 1, use: "resting" }, { atMs: 2, use: "resting" }],
    verdict: "rests",
  },
  {
    name: "two with something else between them are not",
    looks: [
      { atMs: 1, use: "resting" },
      { atMs: 2, use: "held" },
      { atMs: 3, use: "resting" },
    ],
    verdict: "waits",
  },
  {
    name: "a server that waits for connections and compiles",
    looks: [{ atMs: 1, use: "accepting" }, { atMs: SETTLE_MS, use: "accepting" }],
    verdict: "waits",
  },
  {
    name: "the same after a while",
    looks: [{ atMs: 1, use: "accepting" }, { atMs: LATE, use: "accepting" }],
    verdict: "rests",
  },
  {
    name: "where /proc shows nothing it has the same time",
    looks: [{ atMs: 1, use: "unseen" }, { atMs: SETTLE_MS, use: "unseen" }],
    verdict: "waits",
  },
  {
    name: "and that is over",
    looks: [{ atMs: 1, use: "unseen" }, { atMs: LATE, use: "unseen" }],
    verdict: "rests",
  },
  {
    name: "a server that listens and loads for long",
    looks: [{ atMs: 1, use: "held" }, { atMs: 59_000, use: "held" }],
    verdict: "waits",
  },
  {
    name: "the same where no other serves",
    looks: [
      { atMs: 1, use: "held", isAlone: true },
      { atMs: ALONE_SETTLE_MS, use: "held", isAlone: true },
    ],
    verdict: "waits",
  },
  {
    name: "and a moment later",
    looks: [
      { atMs: 1, use: "held", isAlone: true },
      { atMs: ALONE_SETTLE_MS + 1, use: "held", isAlone: true },
    ],
    verdict: "rests",
  },
  {
    name: "one that lost its listener meanwhile, where no other serves",
    looks: [
      { atMs: 1, use: "held", isAlone: true },
      { atMs: 9, use: "unheld", isAlone: true },
      { atMs: ALONE_SETTLE_MS + 1, use: "held", isAlone: true },
    ],
    verdict: "waits",
  },
  {
    name: "one that has accepted and is never seen to wait",
    looks: [{ atMs: 1, use: "held" }, { atMs: LATE, use: "held", hasAccepted: true }],
    verdict: "rests",
  },
  {
    name: "one that has closed its listener may open another",
    looks: [
      { atMs: 1, use: "unheld", isAsleep: true },
      { atMs: 1_900, use: "unheld", isAsleep: true },
    ],
    verdict: "waits",
  },
  {
    name: "and does not",
    looks: [
      { atMs: 1, use: "unheld", isAsleep: true },
      { atMs: 1_000, use: "unheld", isAsleep: true },
      { atMs: 2_001, use: "unheld", isAsleep: true },
    ],
    verdict: "closed",
  },
  {
    name: "one that has closed its listener and loads",
    looks: [
      { atMs: 1, use: "unheld", isAsleep: true },
      { atMs: 1_000, use: "unheld" },
      { atMs: 2_001, use: "unheld", isAsleep: true },
    ],
    verdict: "waits",
  },
  {
    name: "one that has closed it and opened it again",
    looks: [
      { atMs: 1, use: "unheld", isAsleep: true },
      { atMs: 1_999, use: "resting" },
      { atMs: 2_001, use: "resting" },
    ],
    verdict: "rests",
  },
];

describe("settlingVerdict()", () => {
  for (const { name, looks, verdict } of CASES) {
    test(name, { timeout: TEST_TIMEOUT_MS }, () => {
      let settling = NOT_SETTLED;
      const verdicts = looks.map(
        ({ isAsleep = false, isAlone = false, hasAccepted = false, ...look }) => {
          const complete = { ...look, isAsleep, isAlone, hasAccepted };
          settling = nextSettling(settling, complete);
          return settlingVerdict(settling, complete);
        },
      );
      assert.deepEqual(verdicts, [...looks.slice(1).map(() => "waits"), verdict]);
    });
  }
});
