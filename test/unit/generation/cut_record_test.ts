/** What was cut is counted once, and counted also where the last look fails. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { takeCensus } from "../../../src/drain/connections.ts";
import { CutRecord } from "../../../src/generation/cut_record.ts";

function drain(busy: number[], undecided: number[] = [], waiting = 0, recount = () => {}) {
  const census = { ...takeCensus([], 0), busy: new Set(busy), undecided: new Set(undecided) };
  return { census, waiting, recount };
}

it("each connection is counted once, whatever ends it, and those in the queue too", () => {
  const facts = { cut: 0, undecided: 0 };
  const record = new CutRecord(facts);
  record.closed([1, 2]);
  record.cutAll(drain([2, 3], [4], 2));
  assert.deepEqual(facts, { cut: 5, undecided: 1 });
  // KILL follows the stop signal.
  record.cutAll(drain([3, 4, 5], [4], 2));
  assert.deepEqual(facts, { cut: 6, undecided: 1 });
});

it("a last look that fails leaves what the one before has found", () => {
  const facts = { cut: 0, undecided: 0 };
  const fail = () => {
    throw new Error("EMFILE");
  };
  assert.throws(() => new CutRecord(facts).cutAll(drain([1], [2], 0, fail)), /EMFILE/);
  assert.deepEqual(facts, { cut: 1, undecided: 1 });
});

it("continues the count of the previous instance", () => {
  const facts = { cut: 2, undecided: 1 };
  new CutRecord(facts).cutAll(drain([1]));
  assert.deepEqual(facts, { cut: 3, undecided: 1 });
});

it("what a process that outlives the signal has open is not cut before its own signal", () => {
  const facts = { cut: 0, undecided: 0 };
  const record = new CutRecord(facts);
  record.cutAll(drain([1, 2], [3]));
  assert.equal(record.uncount([2, 3, 4]), 2);
  assert.deepEqual(facts, { cut: 1, undecided: 0 });
  record.cutAll(drain([2]));
  assert.deepEqual(facts, { cut: 2, undecided: 0 });
});

const STREAMS: readonly [what: string, streams: number, cut: number, undecided: number][] = [
  ["none", 0, 1, 2],
  ["they are what was found busy", 1, 1, 2],
  ["some are undecided", 2, 2, 1],
  ["some look idle", 4, 4, 0],
  ["more than there are connections (HTTP/2)", 50, 6, 0],
];
for (const [what, streams, cut, undecided] of STREAMS) {
  it(`streams that the server tells of are cut, however silent: ${what}`, () => {
    const facts = { cut: 0, undecided: 0 };
    const record = new CutRecord(facts);
    const { census, ...rest } = drain([1], [2, 3]);
    const counts = { ...census.counts, idle: 3 };
    const all = { ...rest, census: { ...census, counts } };
    record.cutAll(all, streams);
    assert.deepEqual(facts, { cut, undecided });
    // KILL follows the stop signal.
    record.cutAll(all, streams);
    assert.deepEqual(facts, { cut, undecided });
  });
}
