/** Who gets new connections while a generation is on trial. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CandidateTraffic } from "../../../src/steering/candidate_traffic.ts";
import type { Member } from "../../../src/steering/member.ts";

const of = (epoch: number, worker = 0) => ({ epoch, worker }) as Member;
const isReceiving = ({ epoch }: Member) => epoch === 0;

describe("CandidateTraffic.gets()", () => {
  const table: [share: CandidateTraffic["share"], gets: [old: boolean, candidate: boolean[]]][] = [
    [null, [true, [false, false]]],
    [{ epoch: 1, percent: 0 }, [true, [false, false]]],
    [{ epoch: 1, percent: 10 }, [true, [true, true]]],
    [{ epoch: 1, percent: 100 }, [false, [true, true]]],
    [{ epoch: 1, percent: 10, worker: 1 }, [true, [false, true]]],
  ];
  for (const [share, expected] of table) {
    it(JSON.stringify(share), () => {
      const traffic = new CandidateTraffic();
      traffic.share = share;
      const seen = [of(0), of(1, 0), of(1, 1), of(2)].map((each) =>
        traffic.gets(each, isReceiving)
      );
      assert.deepEqual([seen[0], seen.slice(1, 3), seen[3]], [...expected, false]);
    });
  }

  for (const [percent, expected] of [[10, [true, false]], [100, [false, true]]] as const) {
    it(`${percent} % at a path, which leads to one`, () => {
      const traffic = new CandidateTraffic(false);
      traffic.share = { epoch: 1, percent };
      assert.deepEqual([of(0), of(1)].map((each) => traffic.gets(each, isReceiving)), expected);
    });
  }
});
