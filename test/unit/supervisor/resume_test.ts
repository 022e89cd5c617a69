/** The order of the kernel's array is found again, whichever step the baton before was killed in. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { kernelOrder } from "../../../src/supervisor/resume.ts";

describe("kernelOrder()", () => {
  // Written down by name, in order; small letters do not listen.
  const table: [what: string, written: string, order: string][] = [
    ["nobody", "", ""],
    ["all listen", "ABC", "ABC"],
    ["the new one has not joined yet", "ABx", "AB"],
    ["the one that was to go has gone: the last moves into its place", "AxCD", "ADC"],
    ["the first has gone", "xBC", "CB"],
    ["one shut down by its server, while another had not joined", "AyBCx", "ACB"],
    ["only one, and it has gone", "x", ""],
  ];
  for (const [what, written, order] of table) {
    test(`${what}: "${written}" is "${order}"`, () => {
      const isIn = (member: string) => member === member.toUpperCase();
      assert.equal(kernelOrder([...written], isIn).join(""), order);
    });
  }
});
