/** What --drain-call and --drain-undo accept, what they mean for one worker, and what is said about everything else. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { drainCallFor, parseDrainCalls } from "../../../../src/config/values/drain_call_spec.ts";
import { UserError } from "../../../../src/config/values/errors.ts";

const EPOCH = 7;
const WORKER = 2;

describe("drainCallFor()", () => {
  const here = (port: number | null) => ({ host: null, port });
  const accepted: [string, string, string, object][] = [
    ["POST:http://127.0.0.1:9901/healthcheck/fail", "POST", "/healthcheck/fail", {
      host: "127.0.0.1",
      port: 9901,
    }],
    ["PUT:http://localhost:2019/stop?now", "PUT", "/stop?now", here(2019)],
    ["GET:http://[::1]:8080/x:y/z", "GET", "/x:y/z", { host: "::1", port: 8080 }],
    ["POST:http://10.0.0.5/drain", "POST", "/drain", { host: "10.0.0.5", port: 80 }],
    ["POST:9901/healthcheck/fail", "POST", "/healthcheck/fail", here(9901)],
    ["POST:/actuator/shutdown", "POST", "/actuator/shutdown", here(null)],
    ["POST:900{worker}/e{epoch}", "POST", "/e7", here(9002)],
    ["unix:/run/a.sock:POST:/fail", "POST", "/fail", { unix: "/run/a.sock" }],
    ["unix:/run/a.{epoch}.{worker}:POST:/x:POST:/y", "POST", "/x:POST:/y", {
      unix: "/run/a.7.2",
    }],
    ["unix:@a b:DELETE:/", "DELETE", "/", { unix: "@a b" }],
  ];
  for (const [text, method, path, place] of accepted) {
    test(text, () => {
      const { text: shown, ...call } = drainCallFor(text, EPOCH, WORKER);
      assert.deepEqual(call, { kind: "http", method, path, place });
      assert.doesNotMatch(shown, /[{}]/);
      assert.equal(parseDrainCalls([text])[0]!.text, text, "it is filled in when it is made");
    });
  }

  test("signal:usr2", () => {
    const text = "signal:usr2";
    assert.deepEqual(drainCallFor(text, EPOCH, WORKER), {
      kind: "signal",
      text,
      signal: "SIGUSR2",
    });
  });

  test("file:/run/web.{epoch}.{worker}", () => {
    const file = "/run/web.7.2";
    assert.deepEqual(drainCallFor("file:/run/web.{epoch}.{worker}", EPOCH, WORKER), {
      kind: "file",
      text: `file:${file}`,
      file,
    });
  });

  test("a command keeps its braces, which are the shell's", () => {
    const text = "exec:f() { echo ${epoch} {epoch}; }; f";
    assert.deepEqual(drainCallFor(text, EPOCH, WORKER), {
      kind: "exec",
      text,
      command: text.slice("exec:".length),
    });
  });
});

describe("parseDrainCalls()", () => {
  const refused: [string, RegExp][] = [
    ["", /"" is not a method/],
    ["http://127.0.0.1:9901/x", /the method is missing/],
    ["/drain", /the method is missing/],
    ["9901/drain", /the method is missing/],
    ["post:9901/x", /"post" is not a method, in capital letters/],
    ["POST:https://127.0.0.1/x", /speaks no TLS.*curl/],
    ["POST:http://example.org/x", /"example.org" is not an IP address or localhost/],
    ["POST:http://127.0.0.1:9901", /not http:\/\/HOST:PORT\/PATH/],
    ["POST:9901", /the path is missing/],
    ["POST:0/x", /ports go from 1 to 65535/],
    ["POST:{epoch}/x", /ports go from 1 to 65535/],
    ["POST:65536/x", /ports go from 1 to 65535/],
    ["POST:admin/x", /"admin" is not a port/],
    ["POST:9901/a b", /printable ASCII.*%XX/],
    ["unix:/run/a.sock:/fail", /not unix:\/SOCKET:METHOD:\/PATH/],
    ["unix:run/a.sock:POST:/fail", /not unix:\/SOCKET:METHOD:\/PATH/],
    ["unix:/run/a.sock:post:/fail", /"post" is not a method/],
    ["exec:", /the command is missing/],
    ["signal:", /no signal has this name/],
    ["signal:USR3", /no signal has this name.*USR1/],
    ["signal:KILL", /no program can handle SIGKILL/],
    ["signal:RTMIN+3", /real-time signals are not supported/],
    ["file:", /not an absolute path/],
    ["file:run/x", /not an absolute path.*file:\/run/],
    ["file:/run/x/", /not an absolute path/],
    ["file:/a\0b", /not an absolute path/],
    ["exec:a\0b", /NUL/],
    ["POST:/\ud800", /UTF-8/],
  ];
  for (const [text, expected] of refused) {
    test(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseDrainCalls([text]), (error) => {
        assert.ok(error instanceof UserError);
        assert.match(`${error.message} | ${error.remedy ?? ""}`, expected);
        return true;
      });
    });
  }

  test("takes none by itself only", () => {
    assert.deepEqual(parseDrainCalls(["none"]).map(({ kind }) => kind), ["none"]);
    assert.throws(() => parseDrainCalls(["none", "POST:/x"]), /it stands alone/);
    const kinds = parseDrainCalls(["POST:1/x", "POST:65535/x", "signal:USR1"]).map(({ kind }) =>
      kind
    );
    assert.deepEqual(kinds, ["http", "http", "signal"]);
  });
});
