/** The calls that are known of a program, at the address that was found. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Goodbye } from "../../../../src/config/servers/preset_table.ts";
import type { CallPlace } from "../../../../src/config/values/drain_call_spec.ts";
import { callIn } from "../../../../src/generation/goodbye/calls.ts";

const HTTP: Goodbye = { call: "POST:/fail", undo: "POST:/ok", finder: "envoy" };
const COMMAND: Goodbye = { call: "exec:echo drain | nc {control}" };

describe("callIn()", () => {
  const cases: [Goodbye, CallPlace | null, "call" | "undo", string | null][] = [
    [HTTP, { host: "127.0.0.1", port: 9901 }, "call", "POST:http://127.0.0.1:9901/fail"],
    [HTTP, { host: "::1", port: 9901 }, "undo", "POST:http://[::1]:9901/ok"],
    [HTTP, { host: null, port: 9901 }, "call", "POST:http://127.0.0.1:9901/fail"],
    [HTTP, { unix: "/run/a.sock" }, "call", "unix:/run/a.sock:POST:/fail"],
    [COMMAND, { unix: "/run/a'b" }, "call", "exec:echo drain | nc '/run/a'\\''b'"],
    [COMMAND, { host: "10.0.0.1", port: 1 }, "call", "exec:echo drain | nc 10.0.0.1:1"],
    [COMMAND, null, "undo", null],
    [{ call: "signal:USR2" }, null, "call", "signal:USR2"],
  ];
  for (const [goodbye, place, which, text] of cases) {
    test(`${which} of ${goodbye.call} at ${JSON.stringify(place)}`, () => {
      const call = callIn({ goodbye, place }, which);
      assert.equal(call?.text ?? null, text);
      if (call?.kind === "http") assert.deepEqual(call.place, place);
      if (call?.kind === "exec") assert.equal(`exec:${call.command}`, text);
    });
  }
});
