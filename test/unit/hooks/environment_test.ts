/** What a user's command finds in its environment. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hookEnvironment } from "../../../src/hooks/environment.ts";

const BASE = { PATH: "/bin", APP: "x" };
const CURRENT = { epoch: 3, pid: 33 };
const OLD = { epoch: 2, pid: 22 };

describe("hookEnvironment()", () => {
  it("names both generations", () => {
    const told = { name: "web", current: CURRENT, old: OLD, reason: "reload", workers: 4 };
    assert.deepEqual(hookEnvironment(BASE, "ready", told), {
      ...BASE,
      BATON_HOOK: "ready",
      BATON_NAME: "web",
      BATON_EPOCH: "3",
      BATON_PID: "33",
      BATON_OLD_EPOCH: "2",
      BATON_OLD_PID: "22",
      BATON_REASON: "reload",
      BATON_WORKERS: "4",
    });
  });

  it("has their private addresses, behind a front", () => {
    const address = "127.66.3.1:80";
    const told = { name: "web", current: { ...CURRENT, address }, old: { ...OLD, address: null } };
    const env = hookEnvironment(BASE, "ready", { ...told, reason: "reload", workers: 1 });
    assert.deepEqual([env["BATON_ADDRESS"], env["BATON_OLD_ADDRESS"]], [address, undefined]);
  });

  it("does not set what there is none of", () => {
    const told = {
      name: "web",
      current: { epoch: 0, pid: null },
      old: null,
      reason: "start",
      workers: 1,
    };
    const env = hookEnvironment(BASE, "pre-flight", told);
    assert.deepEqual(Object.keys(env).filter((name) => name.startsWith("BATON_")).sort(), [
      ...["BATON_EPOCH", "BATON_HOOK", "BATON_NAME", "BATON_REASON", "BATON_WORKERS"],
    ]);
  });

  it("leaves nothing of what an outer baton has set", () => {
    const above = Object.fromEntries(
      ["EPOCH", "PID", "ADDRESS", "OLD_EPOCH", "OLD_PID", "HOOK", "NAME", "REASON", "WORKERS"]
        .map((name) => [`BATON_${name}`, "above"]),
    );
    const told = { name: "web", current: null, old: null, reason: "stop", workers: 1 };
    const env = hookEnvironment({ ...above, RESTART_EPOCH: "above" }, "post-stop", told);
    assert.deepEqual(env, {
      BATON_HOOK: "post-stop",
      BATON_NAME: "web",
      BATON_REASON: "stop",
      BATON_WORKERS: "1",
    });
  });
});
