/**
 * The promise: what a server prints before, at and after its listen comes to baton's own output once, whole and in
 * order, whatever that output is, and the server does not die of what its event loop finds there. All languages,
 * kinds and amounts are in `test/long/output_matrix_test.ts`.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import {
  type OutputKind,
  printAll,
  PRINTING_SERVERS,
  printTogether,
} from "../support/printing_servers.ts";
import { findPython, fixture, required } from "../support/programs.ts";
import { tempDir } from "../support/temp_dir.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };

interface Cell {
  readonly name: string;
  readonly kind: OutputKind;
  readonly amount: number;
  readonly generations?: number;
  readonly isDirect?: boolean;
}

/** Node has writes in its event loop at the listen; Python waits in write(2). */
const CELLS: readonly Cell[] = [
  { name: "node", kind: "file", amount: 300_000 },
  { name: "node, at once", kind: "null", amount: 3_000_000, generations: 1 },
  { name: "node, at once", kind: "file", amount: 3_000_000, generations: 1 },
  { name: "node", kind: "file", amount: 10_000, generations: 1, isDirect: true },
  { name: "node", kind: "socket", amount: 300_000, generations: 1 },
  { name: "python", kind: "file", amount: 3_000_000, generations: 1, isDirect: true },
];

describe("before its listen; of three generations also at it, and after", () => {
  for (const { name, ...cell } of CELLS) {
    const server = PRINTING_SERVERS.find((some) => some.name === name)!;
    const program = server.program();
    const skip = program === null ? `${name} is not installed` : false;
    const how = cell.isDirect ? ", which it writes to itself after that" : "";
    const what = `${cell.amount / 1000} kB to a ${cell.kind}`;
    test(`${name} prints ${what}${how}`, { ...TEST, skip }, async () => {
      using work = tempDir();
      await printAll({ command: server.command(program!, work), ...cell });
    });
  }
});

describe("two generations that print at the same time", () => {
  test("no line is torn, and none overtakes", TEST, async () => {
    const count = await printTogether({ kind: "file", reloads: 2, lines: 1_000, pause: 0 });
    assert.ok(count >= 2_000, `only ${count} lines`);
  });
});

test("an upgrade in place loses nothing that a slow reader has not taken yet", TEST, async () => {
  await printAll({
    command: [required("python3", findPython()), fixture("prints_on.py")],
    // All of it comes through baton.
    flags: ["--ready", "log:^0 1 x"],
    upgrades: 1,
    generations: 1,
    kind: "pipe",
    amount: 1_000_000,
  });
});
