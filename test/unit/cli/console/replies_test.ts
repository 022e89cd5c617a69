/** What a command makes of a reply: a value of the right shape, the error of the service, or a refusal. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  busyIn,
  PROBE_REPLY,
  readReply,
  STOP_REPLY,
  TRIAL_REPLY,
} from "../../../../src/cli/console/replies.ts";
import { UserError } from "../../../../src/config/values/errors.ts";

const TRIAL = { result: "ok", epoch: 3, reason: null, durationMs: 12 };

describe("readReply()", () => {
  it("returns a reply of the right shape, with what it does not know", () => {
    const body = { ...TRIAL, later: { version: 2 } };
    assert.deepEqual(readReply(TRIAL_REPLY, "promote", { status: 200, body }), body);
  });

  const refused = [
    ["an error of the client", 404, { error: "no such path" }, "Cannot stop: no such path", 75],
    ["an error of the service", 500, { error: "EMFILE" }, "Cannot stop: EMFILE", 71],
    [
      "another field type",
      200,
      { status: "0", killed: [], cut: 0 },
      "not understood: status: ",
      71,
    ],
    ["an element", 200, { status: 0, killed: [{ pid: 1 }], cut: 0 }, "killed.0.name: ", 71],
    ["a missing field", 200, { status: 0, killed: [] }, "not understood: cut: ", 71],
    ["no object", 200, null, "not understood: the body: ", 71],
  ] as const;
  for (const [what, status, body, message, exit] of refused) {
    it(`refuses ${what}`, () => {
      assert.throws(() => readReply(STOP_REPLY, "stop", { status, body }), (error: unknown) => {
        assert.ok(error instanceof UserError);
        assert.ok(error.message.includes(message), error.message);
        assert.equal(error.status, exit);
        return true;
      });
    });
  }

  it("takes every kind of probe reply", () => {
    const body = { started: true, ready: false, live: true, why: "draining" };
    assert.deepEqual(readReply(PROBE_REPLY, "ask", { status: 200, body }), body);
  });
});

describe("busyIn()", () => {
  const table = [['{"drained":false,"busy":2}', 2], ['{"busy":null}', null], ["{}", null], [
    "",
    null,
  ]] as const;
  for (const [body, busy] of table) {
    it(`reads ${body || "nothing"}`, () => assert.equal(busyIn(body), busy));
  }
});
