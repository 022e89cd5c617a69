/**
 * The order of the kernel's array is found again, whichever step the baton before was killed in; and who is
 * told of a server's end.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { isChild, kernelOrder } from "../../../src/succession/unpack_service.ts";

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

describe("isChild()", () => {
  const [self, parent] = [process.pid, process.ppid];
  const table: [what: string, server: Parameters<typeof isChild>[0], own: number, is: boolean][] = [
    ["a child that runs", { pid: self, exitStatus: null }, parent, true],
    ["somebody else's", { pid: self, exitStatus: null }, self, false],
    [
      "one that is gone: a child would wait to be reaped",
      { pid: 0, exitStatus: null },
      self,
      false,
    ],
    ["one that was reaped", { pid: 0, exitStatus: { kind: "exited", code: 3 } }, self, true],
    ["one whose end was only seen", { pid: 0, exitStatus: { kind: "unknown" } }, self, false],
  ];
  for (const [what, server, own, is] of table) {
    test(what, () => assert.equal(isChild(server, own), is));
  }
});
