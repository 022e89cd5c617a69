/** How long it is looked for a process that accepts from a passed socket. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { watchAccepts } from "../../../src/process/accept_watch.ts";
import type { Member } from "../../../src/steering/member.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const INTERVAL_MS = 25;

function scene(owners: readonly number[]) {
  const clock = new FakeClock();
  const members = owners.map((owner, inode) => ({ owner, inode })) as Member[];
  const state = {
    looks: 0,
    acceptors: new Map<number, number>(),
    isOver: false,
    found: 0,
    stopsWhenFound: false,
  };
  const stop = watchAccepts({
    clock,
    members,
    findAcceptor: ({ inode }) => {
      state.looks++;
      return state.acceptors.get(inode) ?? null;
    },
    onAccepting: () => {
      state.found++;
      if (state.stopsWhenFound) stop();
    },
    isOver: () => state.isOver,
  });
  return { clock, members, state, stop };
}

describe("watchAccepts()", () => {
  it("looks again and again, until it finds the owner of each", async () => {
    const { clock, members, state } = scene([0, 0]);
    assert.equal(state.looks, 2);
    state.acceptors.set(1, 77);
    await clock.advance(INTERVAL_MS);
    assert.deepEqual(members.map(({ owner }) => owner), [0, 77]);
    assert.equal(state.found, 1);
    state.looks = 0;
    await clock.advance(2 * INTERVAL_MS);
    assert.equal(state.looks, 2, "only at the one without an owner");
  });

  it("ends when nothing is to be found any more", async () => {
    const { clock, state } = scene([0]);
    state.isOver = true;
    await clock.advance(INTERVAL_MS);
    assert.equal(state.looks, 1);
    assert.equal(clock.pending, 0);
  });

  it("does not look without a socket", () => {
    assert.equal(scene([]).clock.pending, 0);
  });

  it("does not look after it was stopped, also while it reports", async () => {
    const { clock, stop } = scene([0]);
    stop();
    assert.equal(clock.pending, 0);
    const other = scene([0]);
    other.state.acceptors.set(0, 5);
    other.state.stopsWhenFound = true;
    await other.clock.advance(INTERVAL_MS);
    assert.equal(other.clock.pending, 0);
  });
});
