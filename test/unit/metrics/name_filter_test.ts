/** The filter of /stats: says what a regular expression would, in bounded time. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { nameFilter } from "../../../src/metrics/name_filter.ts";

const NAMES = ["server.live", "server.state", "baton.reloads.result.ok", "x", ""];

describe("nameFilter()", () => {
  const patterns = [
    ...[
      "",
      "server",
      "^server",
      "live$",
      "^server.live$",
      "^server$",
      "^.$",
      "^$",
      ".",
      ".*",
      ".+",
    ],
    "^.+$",
    "s.r.*e",
    "^s.*e.*e$",
    "result.*ok|^x",
    "nothing|live$|",
    "server\\.live",
    ...[
      "server\\.l\\.ive",
      "reloads.+ok$",
      "^server.live.$",
      "e.*e.*e.*",
      "e.*$",
      "^.*live",
      "x\\|y",
    ],
  ];
  for (const pattern of patterns) {
    it(`matches what the regular expression ${JSON.stringify(pattern)} matches`, () => {
      const filter = nameFilter(pattern);
      if (typeof filter === "string") throw new Error(filter);
      const model = new RegExp(pattern);
      assert.deepEqual(NAMES.filter(filter), NAMES.filter((name) => model.test(name)));
    });
  }

  const refused = ["(a)", "a*", "[a]", "a{2}", "a?", "\\d", "a^", "$a", "\\", "a".repeat(257)];
  for (const pattern of refused) {
    it(`says that it does not support ${pattern.slice(0, 9)}`, () => {
      assert.equal(typeof nameFilter(pattern), "string");
    });
  }

  // One that tries all ways tries some 10^80: without an end.
  it("needs no longer for a pattern with many ways to match", () => {
    const filter = nameFilter(`${".*a".repeat(60)}.*b$`);
    if (typeof filter === "string") throw new Error(filter);
    assert.equal(filter("a".repeat(2_000)), false);
  });
});
