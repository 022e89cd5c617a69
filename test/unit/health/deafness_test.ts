/** When a generation is deaf, as tables of looks. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { deafSince } from "../../../src/health/deafness.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";

type Look = Parameters<typeof deafSince>[1];

const waits: Look = { atMs: 0, waiting: 3, isHeld: false, isAsleep: true };

interface Case {
  readonly name: string;
  readonly looks: readonly Look[];
  /** Since when it is without a listener, after each look. */
  readonly since: readonly (number | null)[];
}

const CASES: readonly Case[] = [
  {
    name: "a slow server: connections wait, and it has its listener",
    looks: [{ ...waits, isHeld: true }, { ...waits, atMs: 500, isHeld: true }],
    since: [null, null],
  },
  {
    name: "no process has it",
    looks: [waits, { ...waits, atMs: 500 }],
    since: [0, 0],
  },
  {
    name: "the clients leave meanwhile",
    looks: [waits, { ...waits, atMs: 500, waiting: 0 }],
    since: [0, 0],
  },
  {
    name: "without clients it is not looked for",
    looks: [{ ...waits, waiting: 0 }, { ...waits, atMs: 500, waiting: 0 }],
    since: [null, null],
  },
  {
    name: "it has opened it again",
    looks: [waits, { ...waits, atMs: 300, isHeld: true }, { ...waits, atMs: 800 }],
    since: [0, null, 800],
  },
  {
    name: "it is busy with that",
    looks: [waits, { ...waits, atMs: 500, isAsleep: false }, { ...waits, atMs: 1_500 }],
    since: [0, null, 1_500],
  },
];

describe("deafSince()", () => {
  for (const { name, looks, since } of CASES) {
    test(name, { timeout: TEST_TIMEOUT_MS }, () => {
      let before: number | null = null;
      assert.deepEqual(looks.map((look) => before = deafSince(before, look)), since);
    });
  }
});
