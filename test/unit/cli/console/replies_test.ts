/** What a command makes of a reply: a value of the right shape, the error of the service, or a refusal. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { busyIn, PROBE_REPLY, STOP_REPLY, TRIAL_REPLY } from "../../../../src/admin/replies.ts";
import { readReply } from "../../../../src/cli/console/replies.ts";
import { UserError } from "../../../../src/config/values/errors.ts";

const TRIAL = { result: "ok", epoch: 3, reason: null, durationMs: 12 };

describe("readReply()", () => {
  it("returns a reply of the right shape, with what it does not know", () => {
    const body = { ...TRIAL, later: { version: 2 } };
    assert.deepEqual(readReply(TRIAL_REPLY, "promote", { body }), body);
  });

  const refused = [
    ["an error of the service", { error: "EMFILE" }, "Cannot stop: EMFILE"],
    [
      "another field type",
      { status: "0", killed: [], left: [], cut: 0 },
      "not understood: status: ",
    ],
    ["an element", { status: 0, killed: [{ pid: 1 }], left: [], cut: 0 }, "killed.0.name: "],
    ["a missing field", { status: 0, killed: [], left: [] }, "not understood: cut: "],
    ["no object", null, "not understood: the body: "],
  ] as const;
  for (const [what, body, message] of refused) {
    it(`refuses ${what}`, () => {
      assert.throws(() => readReply(STOP_REPLY, "stop", { body }), (error: unknown) => {
        assert.ok(error instanceof UserError);
        assert.ok(error.message.includes(message), error.message);
        assert.equal(error.status, 71);
        return true;
      });
    });
  }

  it("takes every kind of probe reply", () => {
    const body = { started: true, ready: false, live: true, why: "draining" };
    assert.deepEqual(readReply(PROBE_REPLY, "ask", { body }), body);
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
