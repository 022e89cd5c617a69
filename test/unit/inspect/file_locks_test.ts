/** What /proc/locks says about who waits for whom. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseLocks, waitsOf } from "../../../src/inspect/file_locks.ts";

const TEXT = `1: FLOCK  ADVISORY  WRITE 26207 fe:00:9978900 0 EOF
1: -> FLOCK  ADVISORY  WRITE 300 fe:00:9978900 0 EOF
2: OFDLCK ADVISORY  WRITE -1 fe:00:9978626 0 EOF
2:  -> OFDLCK ADVISORY  WRITE -1 fe:00:9978626 0 EOF
3: POSIX  ADVISORY  READ 12952 fe:00:10035213 128 128
3: -> POSIX  ADVISORY  WRITE 301 fe:00:10035213 128 128
4: LEASE  ACTIVE    READ  77 fe:00:5 0 EOF
`;

describe("parseLocks()", () => {
  it("reads locks of every kind, and leaves leases out", () => {
    const locks = parseLocks(TEXT);
    assert.deepEqual(locks.map(({ number, waits, pid }) => [number, waits, pid]), [
      [1, false, 26207],
      [1, true, 300],
      [2, false, -1],
      [2, true, -1],
      [3, false, 12952],
      [3, true, 301],
    ]);
    assert.deepEqual(locks[4], {
      number: 3,
      waits: false,
      isExclusive: false,
      pid: 12952,
      ino: 10035213,
    });
  });

  it("reads what fdinfo has after lock:", () => {
    const [lock] = parseLocks("1: FLOCK  ADVISORY  WRITE 30450 fe:00:9978640 0 EOF");
    assert.deepEqual([lock?.isExclusive, lock?.ino], [true, 9978640]);
  });

  it("is empty for nothing and for nonsense", () => {
    assert.deepEqual(parseLocks(""), []);
    assert.deepEqual(parseLocks("a\n1:\n2: FLOCK\n"), []);
  });
});

describe("waitsOf()", () => {
  const table: [what: string, pids: number[], inodes: number[], waits: [number, number][]][] = [
    ["a process that waits", [300], [], [[9978900, 26207]]],
    ["for one of several readers", [301], [], [[10035213, 12952]]],
    ["a process that holds", [26207], [9978900], []],
    ["an open file description, by its file", [5], [9978626], [[9978626, -1]]],
    ["one of another file", [5], [9978627], []],
    ["of no process", [], [], []],
  ];
  for (const [what, pids, inodes, waits] of table) {
    it(`${what}: ${waits.length}`, () => {
      const found = waitsOf(parseLocks(TEXT), pids, new Set(inodes));
      assert.deepEqual(found.map(({ ino, holder }) => [ino, holder]), waits);
    });
  }
});
