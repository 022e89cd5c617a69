/** What a reload does first, and what that excludes. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { buildConfig } from "../../support/config.ts";
import { checkOrder, serviceOrder } from "../../../src/config/order.ts";

const build = (flags: Readonly<Record<string, string>>) =>
  buildConfig({
    fileValues: null,
    flagValues: new Map(Object.entries(flags).map(([flag, value]) => [flag, [value]])),
    command: ["server"],
  });

describe("serviceOrder()", () => {
  const table: [order: string, exclusive: string | null, expected: string, reason: RegExp][] = [
    ["auto", null, "start-first", /nothing is known/],
    ["auto", "it has one file", "stop-first", /^it has one file$/],
    ["start-first", "it has one file", "start-first", /^--order start-first$/],
    ["stop-first", null, "stop-first", /^--order stop-first$/],
  ];
  for (const [order, exclusive, expected, reason] of table) {
    test(`${order}, ${exclusive}: ${expected}`, () => {
      const found = serviceOrder(build({ order }), exclusive);
      assert.equal(found.order, expected);
      assert.match(found.reason, reason);
    });
  }
});

describe("checkOrder()", () => {
  for (
    const [flag, value] of Object.entries({
      canary: "10%",
      ramp: "1s",
      bake: "1s",
      hold: "",
      takeover: "/run/a",
      "handoff-socket": "/run/a",
    })
  ) {
    test(`refuses --${flag} with stop-first, given or decided, and not with start-first`, () => {
      for (const order of ["auto", "stop-first", "start-first"]) {
        const config = build({ order, [flag]: value });
        const check = () => checkOrder(config, serviceOrder(config, "it has one file"));
        if (order === "start-first") check();
        else assert.throws(check, new RegExp(`Cannot use --${flag}, for which two generations`));
      }
      const config = build({ [flag]: value });
      checkOrder(config, serviceOrder(config, null));
    });
  }
});
