/** The machine of a service's end: each wait with its least and its most, and what further requests do to it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  SERVING,
  type ShutdownEffect,
  type ShutdownPolicy,
  type ShutdownState,
  stepShutdown,
  type TrafficLook,
} from "../../../src/lifecycle/shutdown.ts";

const POLICY: ShutdownPolicy = {
  minDrainMs: 5_000,
  maxDrainMs: 20_000,
  quietMs: 1_000,
  stopTimeMs: 3_000,
  finishesRequests: false,
  expectsListener: true,
  skipsDrain: false,
};
const QUIET: TrafficLook = { fresh: 0, busy: 0, idle: 0, listening: true };
const FRESH: TrafficLook = { ...QUIET, fresh: 1, busy: 1 };
const BUSY: TrafficLook = { ...QUIET, busy: 2 };
const IDLE: TrafficLook = { ...QUIET, idle: 1 };

/** What happened, for people: "lame-duck", "signal cut 2". */
function text(effect: ShutdownEffect): string[] {
  if (effect.kind === "phase") return [effect.phase];
  return effect.kind === "begin" ? [] : [`${effect.kind} cut ${effect.cut}`];
}

type Happening =
  | "drain"
  | "TERM"
  | "gone"
  /** Looks every 100 ms, up to this time. */
  | readonly [untilMs: number, look: TrafficLook | null];

/** @returns "TIME: what" of everything that followed */
function story(
  happenings: readonly Happening[],
  change: Partial<ShutdownPolicy> = {},
  onEffect: (effect: ShutdownEffect) => void = () => {},
): string[] {
  let state: ShutdownState = SERVING;
  let atMs = 0;
  const told: string[] = [];
  const step = (event: Parameters<typeof stepShutdown>[1]) => {
    const { state: next, effects } = stepShutdown(state, event, { ...POLICY, ...change });
    state = next;
    effects.forEach(onEffect);
    told.push(...effects.flatMap(text).map((what) => `${atMs}: ${what}`));
  };
  for (const happening of happenings) {
    if (happening === "gone") step({ kind: "exited", atMs });
    else if (happening === "TERM") step({ kind: "stop", atMs });
    else if (happening === "drain") step({ kind: "drain", atMs });
    else {
      for (; atMs < happening[0]; step({ kind: "look", atMs, look: happening[1] })) atMs += 100;
    }
  }
  return told;
}

describe("stepShutdown()", () => {
  const table: [string, readonly Happening[], Partial<ShutdownPolicy>, readonly string[]][] = [
    [
      "lingers for its least time, though nobody comes",
      ["TERM", [5_100, QUIET], [6_000, QUIET], "gone"],
      {},
      ["0: lame-duck", "5000: draining", "5200: stopping", "5200: signal cut 0", "6000: over"],
    ],
    [
      "lingers on while new connections come, and for a quiet moment after",
      ["TERM", [7_000, FRESH], [8_300, QUIET]],
      {},
      ["0: lame-duck", "8000: draining", "8200: stopping", "8200: signal cut 0"],
    ],
    [
      "lingers no longer than half of the rest, whoever comes",
      ["TERM", [15_000, FRESH], [15_300, QUIET]],
      {},
      ["0: lame-duck", "15000: draining", "15200: stopping", "15200: signal cut 0"],
    ],
    [
      "takes a look that failed for news of connections, never for none",
      ["TERM", [14_900, null], [15_000, null], [22_000, null], [25_000, null]],
      {},
      [
        ...["0: lame-duck", "15000: draining", "22000: stopping", "22000: signal cut null"],
        ...["25000: killing", "25000: kill cut null"],
      ],
    ],
    [
      "waits for idle connections to be ended, and for busy ones",
      ["TERM", [8_000, BUSY], [9_000, IDLE], [9_200, QUIET]],
      {},
      ["0: lame-duck", "5000: draining", "9200: stopping", "9200: signal cut 0"],
    ],
    [
      "signals in time for handlers when connections stay busy, and counts what that cuts",
      ["TERM", [22_000, BUSY], [25_000, BUSY]],
      {},
      [
        ...["0: lame-duck", "5000: draining", "22000: stopping", "22000: signal cut 2"],
        ...["25000: killing", "25000: kill cut 2"],
      ],
    ],
    [
      "lets a server that finishes its requests do so until the end",
      ["TERM", [7_000, BUSY], [25_000, BUSY]],
      { finishesRequests: true },
      [
        ...["0: lame-duck", "5000: draining", "7000: stopping", "7000: signal cut 0"],
        ...["25000: killing", "25000: kill cut 2"],
      ],
    ],
    [
      "kills a server that has no connection and does not end, long before the end",
      ["TERM", [9_000, QUIET]],
      {},
      [
        ...["0: lame-duck", "5000: draining", "5200: stopping", "5200: signal cut 0"],
        ...["8200: killing", "8200: kill cut 0"],
      ],
    ],
    [
      "does not linger for a server that never listened",
      ["TERM", [400, { ...QUIET, listening: false }]],
      {},
      ["0: lame-duck", "100: draining", "300: stopping", "300: signal cut 0"],
    ],
    [
      "does not linger at all without a least time",
      ["TERM", [300, QUIET]],
      { minDrainMs: 0 },
      ["0: draining", "200: stopping", "200: signal cut 0"],
    ],
    [
      "shortens at the second request, kills at the third",
      ["TERM", [1_000, BUSY], "TERM", [1_500, BUSY], "TERM", "TERM", "gone"],
      {},
      [
        ...["0: lame-duck", "1000: stopping", "1000: signal cut 2"],
        ...["1500: killing", "1500: kill cut 2", "1500: over"],
      ],
    ],
    [
      "drains without a signal, which TERM then brings at once",
      ["drain", [7_000, QUIET], "drain", [9_000, QUIET], "TERM", "gone"],
      {},
      [
        ...["0: lame-duck", "5000: draining", "5200: drained"],
        ...["9000: stopping", "9000: signal cut 0", "9000: over"],
      ],
    ],
    [
      "goes on with its wait when TERM comes in the middle of a drain",
      ["drain", [2_000, QUIET], "TERM", [6_000, QUIET]],
      {},
      ["0: lame-duck", "5000: draining", "5200: stopping", "5200: signal cut 0"],
    ],
    [
      "leaves the drain to the supervisor",
      ["TERM", [5_000, BUSY]],
      { skipsDrain: true, finishesRequests: true },
      ["0: lame-duck", "5000: stopping", "5000: signal cut 0"],
    ],
    ["is over when the server ends by itself", ["gone", "TERM"], {}, ["0: over"]],
  ];
  for (const [name, happenings, change, expected] of table) {
    it(name, () => {
      // A look that finds busy connections finds no fresh ones: lingering ends by the quiet alone.
      assert.deepEqual(story(happenings, change), expected);
    });
  }

  describe("says with the signal what the waits before have taken of the time after the least one", () => {
    const table: [string, readonly Happening[], Partial<ShutdownPolicy>, number][] = [
      ["nothing, after the least one", ["TERM", [5_000, QUIET]], {}, 0],
      ["nothing, without one", ["TERM"], { minDrainMs: 0 }, 0],
      ["less than nothing is nothing", ["TERM", [1_000, QUIET], "TERM"], {}, 0],
      ["lingering to its limit", ["TERM", [15_000, FRESH]], {}, 10_000],
      ["lingering until a second TERM", ["TERM", [7_500, FRESH], "TERM"], {}, 2_500],
      [
        "a drain, and nothing after it",
        ["drain", [7_000, FRESH], [60_000, QUIET], "TERM"],
        {},
        3_000,
      ],
    ];
    for (const [name, happenings, change, expected] of table) {
      it(name, () => {
        const spent: number[] = [];
        story(happenings, { skipsDrain: true, ...change }, (effect) => {
          if (effect.kind === "signal") spent.push(effect.spentMs);
        });
        assert.deepEqual(spent, [expected]);
      });
    }
  });

  it("never takes longer than min and max, whatever is seen", () => {
    const looks = [null, QUIET, FRESH, BUSY, IDLE];
    for (let seed = 1; seed <= 200; seed++) {
      let value = seed;
      const random = () => (value = (value * 48271) % 2147483647) / 2147483647;
      const happenings: Happening[] = ["TERM"];
      for (let atMs = 100; atMs <= 26_000; atMs += 100) {
        happenings.push([atMs, looks[Math.floor(random() * looks.length)] ?? null]);
      }
      const told = story(happenings);
      assert.ok(told.some((line) => line.includes("signal")), `seed ${seed}: ${told}`);
      const kill = told.find((line) => line.includes("killing"));
      assert.ok(kill !== undefined && parseInt(kill) <= 25_000, `seed ${seed}: ${told}`);
    }
  });
});
