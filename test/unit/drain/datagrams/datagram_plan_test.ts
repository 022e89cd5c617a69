/** Where the new generation's UDP sockets are in the kernel's array, as a table; and rows of the kernel's own table. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { planDatagrams } from "../../../../src/drain/datagrams/datagram_plan.ts";
import { udpSockets } from "../../../../src/platform/network/udp_table.ts";

const DNS = "0100007F:0035";

interface Case {
  readonly what: string;
  /** Inodes at one address: when the new generation was started, and now. */
  readonly before: readonly number[];
  readonly now: readonly number[];
  readonly old: readonly number[];
  readonly next: readonly number[];
  /** Null: the kernel goes on spreading. */
  readonly chosen: readonly number[] | null;
}

const CASES: readonly Case[] = [
  { what: "one socket each", before: [1], now: [1, 2], old: [1], next: [2], chosen: [1] },
  {
    what: "two each",
    before: [1, 2],
    now: [1, 2, 3, 4],
    old: [1, 2],
    next: [3, 4],
    chosen: [2, 3],
  },
  {
    what: "an older one still drains",
    before: [1, 2],
    now: [1, 2, 3],
    old: [2],
    next: [3],
    chosen: [2],
  },
  {
    what: "an older one has gone since",
    before: [1, 2],
    now: [2, 3],
    old: [2],
    next: [3],
    chosen: null,
  },
  { what: "the new one has none yet", before: [1], now: [1], old: [1], next: [], chosen: null },
  {
    what: "another program has joined",
    before: [1],
    now: [1, 2, 3],
    old: [1],
    next: [2],
    chosen: null,
  },
  {
    what: "the old one has none there",
    before: [1],
    now: [1, 2],
    old: [],
    next: [2],
    chosen: null,
  },
];

describe("planDatagrams()", () => {
  for (const { what, before, now, old, next, chosen } of CASES) {
    test(`${what}: ${chosen === null ? "is left alone" : `places ${chosen.join(" and ")}`}`, () => {
      const at = (inodes: readonly number[]) =>
        inodes.map((inode) => ({ local: DNS, receiveQueue: 0, inode }));
      const elsewhere = { local: "0100007F:0036", receiveQueue: 0, inode: 9 };
      const plans = planDatagrams({
        before: [...at(before), elsewhere],
        now: [elsewhere, ...at(now)],
        old: new Set(old),
        next: new Set(next),
      });
      assert.deepEqual(plans.map((plan) => plan.chosen), chosen === null ? [] : [chosen]);
      assert.deepEqual(plans.map(({ leaving }) => leaving), chosen === null ? [] : [old]);
    });
  }
});

test("udpSockets() reads those that are not connected, of both families", () => {
  const text =
    `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 9418: 0100007F:D322 00000000:0000 07 00000000:00000300 00:00000000 00000000     0        0 42621979 2 00000000973ef1e6 0
 9419: 0100007F:D323 0100007F:0035 01 00000000:00000000 00:00000000 00000000   101        0 42621978 2 00000000c4235a91 0
  113: 00000000000000000000000001000000:0035 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4294967299 2 00000000973ef1e6 7
`;
  assert.deepEqual(udpSockets((path) => path.endsWith("6") ? null : text), [
    { local: "0100007F:D322", receiveQueue: 768, inode: 42621979 },
    { local: "00000000000000000000000001000000:0035", receiveQueue: 0, inode: 3 },
  ]);
});

test("udpSockets() has one that the kernel has left out of the first read", () => {
  const row = (inode: number, queue: string) =>
    ` 9418: 0100007F:D322 00000000:0000 07 00000000:${queue} 00:00000000 00000000     0        0 ${inode} 2 0 0\n`;
  const reads = [row(1, "00000100"), row(2, "00000000") + row(1, "00000000")];
  const read = (path: string) => path.endsWith("6") ? null : reads.shift() ?? "";
  assert.deepEqual(udpSockets(read), [
    { local: "0100007F:D322", receiveQueue: 256, inode: 1 },
    { local: "0100007F:D322", receiveQueue: 0, inode: 2 },
  ]);
});
