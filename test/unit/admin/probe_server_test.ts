/** What the probe endpoints answer. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { answerProbe } from "../../../src/admin/probe_server.ts";

const STARTING = {
  started: false,
  ready: false,
  live: true,
  why: "the server does not listen yet",
};
const SERVING = { started: true, ready: true, live: true, why: "" };
const ENDING = { started: true, ready: false, live: true, why: "it is shutting down (lame-duck)" };

describe("answerProbe()", () => {
  const table: [
    string,
    typeof STARTING,
    readonly [startup: number, ready: number, live: number],
  ][] = [
    ["while the server starts", STARTING, [503, 503, 200]],
    ["while it serves", SERVING, [200, 200, 200]],
    ["while it ends: only readiness fails", ENDING, [200, 503, 200]],
  ];
  for (const [name, report, expected] of table) {
    it(name, () => {
      const paths = ["/startupz", "/readyz", "/livez"];
      assert.deepEqual(paths.map((path) => answerProbe("GET", path, report).status), expected);
      assert.deepEqual(paths.map((path) => answerProbe("HEAD", path, report).status), expected);
    });
  }

  it("says why not", () => {
    const { text } = answerProbe("GET", "/readyz", ENDING);
    assert.equal(text, "not ready: it is shutting down (lame-duck)");
  });

  it("knows no other path and no other method", () => {
    assert.equal(answerProbe("GET", "/", SERVING).status, 404);
    assert.equal(answerProbe("GET", "/toString", SERVING).status, 404);
    assert.equal(answerProbe("POST", "/readyz", SERVING).status, 405);
  });
});
