/** What a kernel is too old for. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { tooOld } from "../../../src/platform/kernel.ts";

describe("tooOld()", () => {
  const cases: [release: string, than: string, older: boolean][] = [
    ["5.10.0-32-cloud-amd64", "5.11", true],
    ["5.10.0-32-cloud-amd64", "5.10", false],
    ["5.9.16", "5.10", true],
    ["4.18.0-553.el8_10.x86_64", "5.9", true],
    ["6.1.0-41-cloud-arm64", "5.14", false],
    ["6.12.57+deb13-cloud-amd64", "6.6", false],
    ["6.6.0", "6.12", true],
    // Nothing is said about what cannot be read.
    ["(unknown)", "5.9", false],
  ];
  for (const [release, than, older] of cases) {
    it(`${release} is ${older ? "" : "not "}older than ${than}`, () => {
      assert.equal(tooOld(than, release) !== null, older);
    });
  }

  it("names both", () => {
    assert.equal(tooOld("5.14", "5.10.0-32-amd64"), "needs Linux 5.14: this is 5.10.0-32-amd64");
  });
});
