/** Listeners of --listen and of systemd become one list. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ActivatedListener, withActivated } from "../../../src/config/activated.ts";
import { UserError } from "../../../src/config/values/errors.ts";
import { parseListenSpec } from "../../../src/config/values/listen_spec.ts";

const four = (port: number, name = "web.socket", host = "127.0.0.1"): ActivatedListener => (
  { name, host, port, family: "inet", v6only: false }
);
const any = (port: number, name = "web.socket"): ActivatedListener => (
  { name, host: "::", port, family: "inet6", v6only: false }
);

const unix = (path: string, name = "web.socket"): ActivatedListener => (
  { name, family: "unix", path }
);

describe("withActivated()", () => {
  const cases: [
    title: string,
    listen: readonly string[],
    activated: readonly ActivatedListener[],
    expected: readonly string[],
  ][] = [
    ["nothing", [], [], []],
    ["only --listen", ["a=127.0.0.1:80"], [], ["a 127.0.0.1:80"]],
    ["only systemd", [], [four(80), any(81, "other")], [
      "web.socket 127.0.0.1:80",
      "other [::]:81",
    ]],
    ["the same address: the name of --listen", ["a=127.0.0.1:80"], [four(80)], ["a 127.0.0.1:80"]],
    ["every address means every address", ["a=80"], [any(80)], ["a [::]:80"]],
    ["* as well", ["a=*:80"], [four(80, "x", "0.0.0.0")], ["a 0.0.0.0:80"]],
    ["another address is another listener", ["a=127.0.0.1:80"], [four(80, "x", "127.0.0.2")], [
      "a 127.0.0.1:80",
      "x 127.0.0.2:80",
    ]],
    ["in the order of --listen, then the others", ["a=81", "b=80"], [four(79), any(80), any(81)], [
      "a [::]:81",
      "b [::]:80",
      "web.socket 127.0.0.1:79",
    ]],
    ["two of one unit", [], [four(80), four(81)], [
      "web.socket 127.0.0.1:80",
      "web.socket-2 127.0.0.1:81",
    ]],
    ["a Unix socket of its own", ["a=80"], [unix("/run/x")], [
      "a 0.0.0.0:80",
      "web.socket unix:/run/x",
    ]],
    ["the same path: the name of --listen", ["a=unix:/run/x", "b=80"], [any(80), unix("/run/x")], [
      "a unix:/run/x",
      "b [::]:80",
    ]],
    ["a name that is none", [], [four(80, ""), four(81, "a b")], [
      "listen0 127.0.0.1:80",
      "listen1 127.0.0.1:81",
    ]],
  ];
  for (const [title, listen, activated, expected] of cases) {
    it(title, () => {
      const specs = withActivated(listen.map(parseListenSpec), activated);
      assert.deepEqual(specs.map(({ name, text }) => `${name} ${text}`), expected);
    });
  }

  it("refuses an address that is there twice", () => {
    assert.throws(() => withActivated([], [four(80, "a"), four(80, "b")]), UserError);
  });

  it("keeps IPV6_V6ONLY, which decides on the group", () => {
    const only = { ...any(80), v6only: true };
    assert.deepEqual(withActivated([], [only]).map((spec) => "v6only" in spec && spec.v6only), [
      true,
    ]);
  });
});
