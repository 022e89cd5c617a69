/** What --ready and --live accept, and what they say about everything else. */
import { parseBytes, parseStatuses } from "../../../src/config/values/check_values.ts";
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseLiveSpec, parseReadySpec } from "../../../src/config/values/check_spec.ts";
import { UserError } from "../../../src/config/values/errors.ts";
import { buildConfig } from "../../support/config.ts";

function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof UserError, String(error));
    return `${error.message} | ${error.remedy ?? ""}`;
  }
  assert.fail("nothing was thrown");
}

describe("parseReadySpec()", () => {
  const accepted: [string, Record<string, unknown>][] = [
    ["auto", { kind: "auto" }],
    ["listen", { kind: "listen" }],
    ["notify", { kind: "notify" }],
    ["http:/healthz", { kind: "http", place: null, path: "/healthz" }],
    ["http:8081/a?b=c:d/e", { kind: "http", place: 8081, path: "/a?b=c:d/e" }],
    ["tcp", { kind: "tcp", place: null }],
    ["tcp:6000", { kind: "tcp", place: 6000 }],
    ["redis", { kind: "redis", place: null }],
    ["redis:6379", { kind: "redis", place: 6379 }],
    ["grpc", { kind: "grpc", place: null, service: "" }],
    ["grpc:50051", { kind: "grpc", place: 50051, service: "" }],
    ["grpc/my.Service", { kind: "grpc", place: null, service: "my.Service" }],
    ["grpc:1/a/b", { kind: "grpc", place: 1, service: "a/b" }],
    ["http:unix:/run/x.sock:/a:/b", { kind: "http", place: "/run/x.sock", path: "/a:/b" }],
    ["http:unix:@x y:/", { kind: "http", place: "@x y", path: "/" }],
    ["tcp:unix:/run/x.sock", { kind: "tcp", place: "/run/x.sock" }],
    ["redis:unix:/run/a:b", { kind: "redis", place: "/run/a:b" }],
    ["grpc:unix:/run/x", { kind: "grpc", place: "/run/x", service: "" }],
    ["grpc:unix:/run/x:/my.Service", { kind: "grpc", place: "/run/x", service: "my.Service" }],
    ["exec:test -e 'x: y' && true", { kind: "exec", command: "test -e 'x: y' && true" }],
    ["fd:3", { kind: "fd", descriptor: 3 }],
    ["fd:63", { kind: "fd", descriptor: 63 }],
    ["log:listening on \\d+", { kind: "log", pattern: /listening on \d+/ }],
    ["log:/ready: \\/x/i", { kind: "log", pattern: /ready: \/x/i }],
  ];
  for (const [text, expected] of accepted) {
    test(text, () => assert.deepEqual(parseReadySpec(text), { text, ...expected }));
  }

  const refused: [string, RegExp][] = [
    ["", /"" is not a kind of check: use auto, listen, notify, http, tcp, redis, grpc, exec, fd/],
    ["htpp:/x", /"htpp" is not a kind of check.*Did you mean http\?/],
    ["Listen", /Did you mean listen\?/],
    ["listen:80", /"listen" is not a kind of check/],
    ["http", /the path is missing \| Write http:\/PATH/],
    ["http:8080", /the path is missing/],
    ["http://localhost/x", /a check has no host/],
    ["http:localhost:80/x", /":localhost:80" is not a port/],
    ["http:0/x", /ports go from 1 to 65535/],
    ["http:65536/x", /ports go from 1 to 65535/],
    ["http:/a b", /a path is printable ASCII without spaces \| Write other characters as %XX/],
    ["http:/a\r\nX: y", /a path is printable ASCII/],
    ["http:/\u00e4", /a path is printable ASCII/],
    ["tcp:", /":" is not a port \| Write tcp, tcp:PORT/],
    ["tcp/x", /"\/x" is not a port/],
    ["redis:6379/0", /":6379\/0" is not a port/],
    ["grpc:x/y", /":x" is not a port/],
    ["grpc/a b", /a service name is printable ASCII/],
    ["http:unix:/run/x.sock", /the path is missing \| .*http:unix:\/run\/web.sock:\/healthz/],
    ["http:unix:x:/", /"x" is not the path of a Unix socket/],
    ["tcp:unix:", /"" is not the path of a Unix socket \| Write tcp, tcp:PORT or tcp:unix:/],
    ["tcp:unix:/run/", /"\/run\/" is not the path of a Unix socket/],
    ["tcp:unix", /":unix" is not a port/],
    ["exec:", /the command is missing/],
    ["exec", /the command is missing/],
    ["exec:a\0b", /holds a NUL/],
    ["fd", /the number of the descriptor is missing/],
    ["fd:three", /the number of the descriptor is missing/],
    ["fd:2", /it must be a descriptor from 3 to 63/],
    ["fd:64", /it must be a descriptor from 3 to 63/],
    ["log:", /the regular expression is missing/],
    ["log://", /the regular expression is missing/],
    ["log:(", /[Uu]nterminated|missing \)|group/],
    ["log:/x/g", /"g" is not a valid flag/],
  ];
  for (const [text, message] of refused) {
    test(`refuses ${JSON.stringify(text)}`, () => {
      assert.match(refusal(() => parseReadySpec(text)), message);
    });
  }
});

describe("parseLiveSpec()", () => {
  for (const text of ["http:/x", "tcp", "redis:1", "grpc", "exec:true"]) {
    test(text, () => assert.deepEqual(parseLiveSpec(text), parseReadySpec(text)));
  }
  for (const text of ["auto", "listen", "notify", "fd:3", "log:x"]) {
    test(`refuses ${text}`, () => {
      assert.match(refusal(() => parseLiveSpec(text)), /happens once.*Use one of http, tcp, redis/);
    });
  }
  test("suggests only what it accepts", () => {
    assert.match(refusal(() => parseLiveSpec("htt:/x")), /use http, tcp, redis, grpc, exec/);
  });
});

describe("parseStatuses()", () => {
  test("single ones and ranges", () => {
    assert.deepEqual(parseStatuses("200-299, 304,500"), [
      { from: 200, to: 299 },
      { from: 304, to: 304 },
      { from: 500, to: 500 },
    ]);
  });
  for (const text of ["", "200,", "2xx", "299-200", "100", "199-300", "600", "200-", "0200"]) {
    test(`refuses ${JSON.stringify(text)}`, () => {
      assert.match(
        refusal(() => parseStatuses(text)),
        /is not a status or range of statuses from 200 to 599/,
      );
    });
  }
});

describe("parseBytes()", () => {
  const cases: [string, number[]][] = [
    ["", []],
    ["ab", [97, 98]],
    ["\u00e4", [0xc3, 0xa4]],
    ["\\x00\\xfF", [0, 255]],
    ["a\\r\\n\\t\\0\\\\b", [97, 13, 10, 9, 0, 92, 98]],
    ["\\\\x41", [92, 120, 52, 49]],
  ];
  for (const [text, bytes] of cases) {
    test(JSON.stringify(text), () => assert.deepEqual([...parseBytes(text)], bytes));
  }
  for (const text of ["\\", "\\x", "\\x1", "\\xg0", "\\q", "a\\"]) {
    test(`refuses ${JSON.stringify(text)}`, () => {
      assert.match(refusal(() => parseBytes(text)), /is not an escape \| Write \\xNN/);
    });
  }
});

describe("the rules across the options of checks", () => {
  const build = (flags: Record<string, string[]>) => () =>
    buildConfig({
      fileValues: null,
      flagValues: new Map(Object.entries(flags)),
      command: ["server"],
    });

  test("several checks and all their fields go together", () => {
    const config = build({
      ready: ["listen", "http:/x", "tcp:1", "fd:3", "log:up"],
      live: ["http:/y", "exec:true"],
      "check-status": ["200-299"],
      "check-retriable-status": ["503"],
      "check-body": ["^ok"],
      "check-host": ["example.com"],
      "check-service-name": ["web"],
      "check-send": ["PING"],
      "check-receive": ["PONG"],
    })();
    assert.deepEqual(config.ready.map(({ kind }) => kind), ["listen", "http", "tcp", "fd", "log"]);
    assert.deepEqual(config.live.map(({ text }) => text), ["http:/y", "exec:true"]);
  });

  test("a file has a list, or one text", () => {
    const values = new Map<string, unknown>([["ready", ["http:/x", "fd:3"]], ["live", "tcp"]]);
    const config = buildConfig({
      fileValues: { path: "baton.toml", values },
      flagValues: new Map(),
      command: ["server"],
    });
    assert.deepEqual(config.ready.map(({ text }) => text), ["http:/x", "fd:3"]);
    assert.deepEqual(config.live.map(({ text }) => text), ["tcp"]);
  });

  const refused: [string, Record<string, string[]>, RegExp][] = [
    ["a bad check is named with its flag", { ready: ["http"] }, /^In --ready: .*path is missing/],
    ["and that of --live", { live: ["fd:3"] }, /^In --live: .*happens once/],
    [
      "a status that is none",
      { ready: ["http:/x"], "check-status": ["abc"] },
      /^In --check-status: .*not a status/,
    ],
    [
      "a regular expression that is none",
      { ready: ["http:/x"], "check-body": ["("] },
      /^In --check-body: /,
    ],
    ["bytes", { ready: ["tcp"], "check-send": ["\\q"] }, /^In --check-send: .*not an escape/],
    ["a field without its check", { "check-body": ["x"] }, /no http check \| Add one with --ready/],
    ["the same for tcp", { ready: ["http:/x"], "check-send": ["x"] }, /there is no tcp check/],
    ["a method alone", { "check-method": ["POST"] }, /there is no http check/],
    ["a host alone", { ready: ["tcp"], "check-host": ["x"] }, /there is no http or grpc check/],
    [
      "a body that cannot be there",
      { ready: ["http:/x"], "check-body": ["x"], "check-method": ["HEAD"] },
      /it has no body/,
    ],
    ["two descriptors", { ready: ["fd:3", "fd:4"] }, /fd:3 and fd:4: a server has only one/],
    [
      "a descriptor that is a listener's",
      { ready: ["fd:3"], listen: ["web=8080"] },
      /it is the socket of listener web \| Use a descriptor from 4 on/,
    ],
    ["output that is not seen", { ready: ["log:x"], output: ["direct"] }, /with --output direct/],
    ["output that outlives baton", { ready: ["log:x"], survive: [""] }, /with --survive/],
    ["the same", { ready: ["log:x"], orphan: ["keep"] }, /with --orphan keep/],
    ["a gate without a handoff", { ready: ["http:/x"], "shutdown-only": [""] }, /--ready http:\/x/],
    ["liveness without a handoff", { live: ["http:/x"], "shutdown-only": [""] }, /--live with/],
    ["a threshold of nothing", { "healthy-threshold": ["0"] }, /from 1 to 1000/],
    ["an interval of nothing", { "check-interval": ["0"] }, /at least 1ms/],
  ];
  for (const [name, flags, message] of refused) {
    test(`refuses ${name}`, () => assert.match(refusal(build(flags)), message));
  }
});
