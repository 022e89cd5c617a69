/**
 * What a server prints comes to baton's own output once, whole and in order, and no server dies of it: languages,
 * kinds of output, amounts; before, at and after its listen. Twenty minutes; `make test-long`.
 */
import { describe, test } from "node:test";
import assert from "node:assert/strict";
import {
  OUTPUT_KINDS,
  printAll,
  PRINTING_SERVERS,
  printTogether,
} from "../support/printing_servers.ts";
import { tempDir } from "../support/temp_dir.ts";

const TIMEOUT_MS = 600_000;
const AMOUNTS = [10_000, 300_000, 3_000_000];

for (const { name, program, command } of PRINTING_SERVERS) {
  const path = program();
  describe(name, { skip: path === null ? `${name} is not installed` : false }, () => {
    for (const kind of OUTPUT_KINDS) {
      for (const amount of AMOUNTS) {
        test(`${amount / 1000} kB to a ${kind}`, { timeout: TIMEOUT_MS }, async () => {
          using work = tempDir();
          await printAll({ command: command(path!, work), kind, amount });
        });
      }
      if (kind !== "pipe" && kind !== "socket") continue;
      test(`3 MB to a ${kind} whose reader is slow`, { timeout: TIMEOUT_MS }, async () => {
        using work = tempDir();
        await printAll({ command: command(path!, work), kind, amount: 3_000_000, isSlow: true });
      });
    }
  });
}

describe("two generations that print at the same time", () => {
  for (const kind of ["file", "fifo", "socket"] as const) {
    for (const pause of [0, 0.0002]) {
      const name = `no line of 40,000 is torn, or overtakes: ${kind}, ${pause} s between two`;
      test(name, { timeout: TIMEOUT_MS }, async () => {
        const count = await printTogether({ kind, reloads: 5, lines: 7_000, pause });
        assert.ok(count >= 40_000, `only ${count} lines`);
      });
    }
  }
});
