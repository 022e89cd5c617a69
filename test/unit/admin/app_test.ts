/** What the control socket makes of a reload's and a trial's parameters, and that it refuses what it cannot read. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AdminParts } from "../../../src/admin/admin_parts.ts";
import { adminApp } from "../../../src/admin/app.ts";

/** The door of trusted clients. */
const CONTROL = { door: "control" };

const ENDED = {
  status: 124,
  killed: [{ pid: 12, name: "epmd", epoch: 3, afterMs: 10_000 }],
  cut: 2,
};

/** Writes down what it is asked. */
function service(said: unknown[]): AdminParts {
  const report = (asked: unknown) => {
    said.push(asked);
    return Promise.resolve({ result: "ok" });
  };
  const drain = () => Promise.resolve({ drained: false, busy: 2 });
  const stop = () => said.push("stop");
  const finished = Promise.resolve(ENDED);
  return {
    access: null,
    log: { info: () => {} },
    facts: { version: "1.0" },
    supervisor: { reload: report, decide: report, scale: report },
    pod: { drain, stop, finished },
  } as unknown as AdminParts;
}

describe("adminApp()", () => {
  const table: [path: string, status: number, asked?: unknown][] = [
    ["reload", 200, {}],
    ["reload?canary=2.5&ramp_ms=1000", 200, { canary: 2.5, rampMs: 1_000 }],
    ["reload?bake_ms=0&hold=1", 200, { bakeMs: 0, hold: true }],
    ["reload?rolling=1", 200, { rolling: true }],
    ["reload?canary=101", 400],
    ["reload?canary=", 400],
    ["reload?bake_ms=-1", 400],
    ["reload?ramp_ms=soon", 400],
    ["reload?ramp_ms=1e300", 400],
    ["promote", 200, "promote"],
    ["rollback", 200, "rollback"],
    ["canary?percent=0", 200, { percent: 0 }],
    ["canary?percent=100", 200, { percent: 100 }],
    ["canary", 400],
    ["canary?percent=NaN", 400],
    ["canary?percent=100.1", 400],
    ["scale?workers=4", 200, { workers: 4, relative: false }],
    ["scale?by=-1", 200, { workers: -1, relative: true }],
    ["scale", 400],
    ["scale?workers=some", 400],
    ["scale?workers=1.5", 400],
    ["scale?workers=2&by=1", 400],
  ];
  for (const [path, status, ...asked] of table) {
    it(`${status} for POST ${path}`, async () => {
      const said: unknown[] = [];
      const answer = await adminApp(service(said)).request(
        `/v1/${path}`,
        { method: "POST" },
        CONTROL,
      );
      assert.equal(answer.status, status);
      assert.deepEqual(said, asked);
      if (status === 400) assert.match(await answer.text(), /"error":"/);
    });
  }

  for (
    const [path, error] of [
      ["reload?canry=10", "'canry' is no parameter of this request: did you mean 'canary'?"],
      ["promote?percent=10", "'percent' is no parameter of this request: it has none"],
      ["canary?share=10", "parameter 'percent' is missing"],
      ["canary?percent=10&epoch=2", "'epoch' is no parameter of this request: it may have percent"],
      ["reload?canary=10&canary=20", "'canary' is given more than once"],
    ] as const
  ) {
    it(`POST ${path}: ${error}`, async () => {
      const request = adminApp(service([])).request(`/v1/${path}`, { method: "POST" }, CONTROL);
      assert.deepEqual(await (await request).json(), { error });
    });
  }

  for (
    const [body, status] of [["canary=10", 400], ['{"canary":10}', 400], [" {} ", 200]] as const
  ) {
    it(`${status} for parameters in a body that is not read: ${body}`, async () => {
      const said: unknown[] = [];
      const init = { method: "POST", body };
      const answer = await adminApp(service(said)).request("/v1/reload", init, CONTROL);
      assert.equal(answer.status, status);
      assert.equal(said.length, status === 200 ? 1 : 0);
      if (status === 400) {
        assert.match(
          await answer.text(),
          /as in \/v1\/reload\?canary=10: a body is/,
        );
      }
    });
  }

  it("answers a stop at once, or when everything has ended and how", async () => {
    const said: unknown[] = [];
    const ask = (path: string) =>
      adminApp(service(said)).request(path, { method: "POST" }, CONTROL);
    const atOnce = await ask("/v1/stop");
    assert.deepEqual([atOnce.status, await atOnce.json()], [202, { stopping: true }]);
    const waited = await ask("/v1/stop?wait=1");
    assert.deepEqual([waited.status, await waited.json()], [200, ENDED]);
    assert.deepEqual(said, ["stop", "stop"]);
  });

  it("says who is busy at the end of a drain", async () => {
    const answer = await adminApp(service([])).request("/v1/drain", { method: "POST" }, CONTROL);
    assert.deepEqual(await answer.json(), { drained: false, busy: 2 });
  });
});
