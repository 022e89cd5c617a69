/** A server may have hundreds of listeners: what its processes have open is read once for all of them. */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { refreshSocketHolders } from "../../../src/handoff/listener_owner.ts";
import type { Group } from "../../../src/steering/group.ts";
import type { Member } from "../../../src/steering/member.ts";

const EPOCH = 3;

test("refreshSocketHolders() marks what no process has open, in one look for all groups", () => {
  const marked: number[] = [];
  const groups = Array.from({ length: 100 }, (_, i) => {
    const members = [{ inode: 2 ** 31 + i, owner: process.pid }, { inode: i, owner: 0 }];
    return {
      membersOf: (epoch: number) => epoch === EPOCH ? members : [],
      markUnheld: ({ inode }: Member) => marked.push(inode - 2 ** 31),
    };
  });
  let looks = 0;
  refreshSocketHolders(groups as unknown as Group[], {
    epoch: EPOCH,
    worker: 0,
    processes: () => {
      looks++;
      return [process.pid];
    },
  });
  assert.deepEqual(marked, groups.map((_, i) => i));
  assert.equal(looks, 1);
});
