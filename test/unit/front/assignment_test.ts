/** Which endpoints a front leads requests to, and in which parts. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assign, assignLeaving } from "../../../src/front/assignment.ts";
import type { FrontedAddress } from "../../../src/steering/front/endpoints.ts";

type Endpoint = FrontedAddress["endpoints"][number];

/** "3:left", "4.1:receiving", "5:candidate@10" */
function endpoint(text: string): Endpoint {
  const [, epoch, worker = "0", state, percent] =
    /^(-?\d+)(?:\.(\d+))?:(\w+)(?:@([\d.]+))?$/.exec(text) ?? assert.fail(text);
  return {
    epoch: Number(epoch),
    worker: Number(worker),
    address: { host: `127.64.${epoch}.${Number(worker) + 1}`, port: 3000 },
    state: state as Endpoint["state"],
    percent: percent === undefined ? null : Number(percent),
  };
}

describe("assign()", () => {
  /** Epoch and worker, then the weight; "-" is DRAINING. */
  const cases: [what: string, endpoints: string, introduced: number | null, expected: string][] = [
    ["one generation", "0:receiving", null, "0.0=10000"],
    ["a candidate is left out", "0:receiving 1:candidate", null, "0.0=10000"],
    ["one that is introduced gets nothing", "0:receiving 1:candidate", 1, "0.0=10000 1.0=-"],
    ["another one is not introduced", "0:receiving 1:candidate 2:candidate", 2, "0.0=10000 2.0=-"],
    ["the old one stays until it has ended", "0:left 1:receiving", 1, "0.0=- 1.0=10000"],
    ["workers share", "1.0:receiving 1.1:receiving", null, "1.0=10000 1.1=10000"],
    ["a worker that goes", "1.0:left 1.1:receiving", null, "1.0=- 1.1=10000"],
    ["a canary of 10 %", "0:receiving 1:candidate@10", 1, "0.0=9000 1.0=1000"],
    ["of a part of a percent", "0:receiving 1:candidate@0.01", 1, "0.0=9999 1.0=1"],
    [
      "10 % for one of three workers",
      "0.0:receiving 0.1:receiving 0.2:receiving 1:candidate@10",
      1,
      "0.0=9000 0.1=9000 0.2=9000 1.0=3000",
    ],
    [
      "10 % for three of one",
      "0:receiving 1.0:candidate@10 1.1:candidate@10 1.2:candidate@10",
      1,
      "0.0=9000 1.0=333 1.1=333 1.2=333",
    ],
    ["a ramp begins at 0 %", "0:receiving 1:candidate@0", 1, "0.0=10000 1.0=-"],
    ["a step of a ramp", "0:receiving 1:candidate@37.4623", 1, "0.0=6254 1.0=3746"],
    ["all, and a way back", "0:receiving 1:candidate@100", 1, "0.0=- 1.0=10000"],
    ["more than all", "0:receiving 1:candidate@100.001", 1, "0.0=- 1.0=10000"],
    ["a canary alone", "1:candidate@10", 1, "1.0=10000"],
    ["the begin of a ramp alone", "1:candidate@0", 1, "1.0=-"],
    ["rolled back", "0:receiving 1:left", 1, "0.0=10000 1.0=-"],
    ["a queue of baton's own", "-2:receiving 0:left", null, "-2.0=10000 0.0=-"],
    ["a service that ends", "0:left", null, "0.0=-"],
    ["nothing", "", null, ""],
  ];
  for (const [what, endpoints, introduced, expected] of cases) {
    it(`${what}: ${endpoints}`, () => {
      const found = assign(endpoints.split(" ").filter(Boolean).map(endpoint), introduced);
      const text = found.map(({ epoch, worker, isHealthy, weight }) =>
        `${epoch}.${worker}=${isHealthy ? weight : "-"}`
      );
      assert.equal(text.join(" "), expected);
      assert.ok(found.every(({ weight }) => Number.isInteger(weight) && weight >= 1));
    });
  }
});

describe("the weights of a service on trial", () => {
  const sum = (text: string) =>
    assign(text.split(" ").map(endpoint), 1).reduce(
      (all, { weight, isHealthy }) => all + (isHealthy ? weight : 0),
      0,
    );

  it("are together what they were before: others may have endpoints in the file", () => {
    const before = sum("0.0:receiving 0.1:receiving");
    for (const percent of [0.01, 1, 10, 37.46, 50, 99, 99.99]) {
      assert.equal(
        sum(`0.0:receiving 0.1:receiving 1.0:candidate@${percent}`),
        before,
        `${percent}`,
      );
    }
  });
});

describe("assignLeaving()", () => {
  const before = assign(["0:left", "1:receiving"].map(endpoint), null);

  it("others get its part", () => {
    const states = assignLeaving(before, true).map(({ isHealthy, weight }) => [isHealthy, weight]);
    assert.deepEqual(states, [[false, 1], [false, 1]]);
  });

  it("alone, Envoy would keep sending to what is DRAINING", () => {
    assert.deepEqual(assignLeaving(before, false), []);
  });
});
