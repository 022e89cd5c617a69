/** The control socket's HTTP: whole, split, too long, and garbage. RFC 9112. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  encodeResponse,
  MAX_BODY_BYTES,
  MAX_HEAD_BYTES,
  parseRequest,
  parseResponse,
  type ParseResult,
} from "../../../src/admin/http1.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { Random } from "../../support/random.ts";

const bytesOf = (text: string) => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const head = (...lines: readonly string[]) => bytesOf(lines.join("\r\n") + "\r\n\r\n");

/** The request, with its body as text; fails when it is none. */
function request(bytes: Uint8Array) {
  const result = parseRequest(bytes);
  assert.equal(result.kind, "request", JSON.stringify(result));
  const { method, target, headers, body } = (result as ParseResult & { kind: "request" }).request;
  return { method, target, headers: Object.fromEntries(headers), body: textOf(body) };
}

describe("parseRequest() takes", () => {
  test("a GET without headers", { timeout: TEST_TIMEOUT_MS }, () => {
    assert.deepEqual(request(head("GET /v1/status HTTP/1.1")), {
      method: "GET",
      target: "/v1/status",
      headers: {},
      body: "",
    });
  });

  test(
    "a POST with a body, and leaves what comes behind it alone",
    { timeout: TEST_TIMEOUT_MS },
    () => {
      const bytes = bytesOf(
        "POST /v1/reload HTTP/1.0\r\ncontent-LENGTH: 4\r\n\r\nbodyGET / HTTP/1.1",
      );
      assert.deepEqual(request(bytes), {
        method: "POST",
        target: "/v1/reload",
        headers: { "content-length": "4" },
        body: "body",
      });
    },
  );

  test("headers in any case, with and without spaces, the last of a name", {
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    const lines = ["HOST:baton", "X-One: \t a b \t", "empty:", "x-two: a:b", "X-Two: last"];
    assert.deepEqual(request(head("GET / HTTP/1.1", ...lines)).headers, {
      host: "baton",
      "x-one": "a b",
      empty: "",
      "x-two": "last",
    });
  });

  test(
    "a head and a body that are exactly as long as allowed",
    { timeout: TEST_TIMEOUT_MS },
    () => {
      const start = "GET / HTTP/1.1\r\nx: ";
      const longest = start + "y".repeat(MAX_HEAD_BYTES - start.length) + "\r\n\r\n";
      assert.equal(request(bytesOf(longest)).method, "GET");
      const body = "z".repeat(MAX_BODY_BYTES);
      const bytes = bytesOf(`POST / HTTP/1.1\r\nContent-Length: ${MAX_BODY_BYTES}\r\n\r\n${body}`);
      assert.equal(request(bytes).body, body);
    },
  );

  test("a target with a host, which counts instead of Host: RFC 9112, 3.2.2", () => {
    for (const [target, path] of [["http://[::1]:80/a?b", "/a?b"], ["http://[::1]:80", "/"]]) {
      const { headers, target: taken } = request(head(`GET ${target} HTTP/1.1`, "Host: other"));
      assert.deepEqual([headers["host"], taken], ["[::1]:80", path]);
    }
  });

  test("any bytes in a header as fetch takes them, a character each", () => {
    const bytes = new Uint8Array([...head("GET / HTTP/1.1", "X: ????")]);
    bytes.set([0xe6, 0x97, 0xa5, 0xff], bytes.indexOf("?".charCodeAt(0)));
    const { headers } = request(bytes);
    assert.equal(new Headers(headers).get("x"), "\u00e6\u0097\u00a5\u00ff");
  });

  test("spaces in a header in a time that grows with their number, not with its square", {
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    const spaces = " \t".repeat(1_900);
    const spaced = head("GET / HTTP/1.1", `X: ${spaces}a${spaces}b`);
    const before = process.cpuUsage();
    for (let i = 0; i < 100; i++) assert.equal(request(spaced).headers["x"], `a${spaces}b`);
    // Of the processor, whatever else runs: some 50 ms; with the square it is seconds.
    const { user, system } = process.cpuUsage(before);
    assert.ok(user + system < 1_000_000, `${user + system} us`);
  });

  test("the wish for a 100 before the body, once, of HTTP/1.1", () => {
    const lines = (version: string) => [
      `POST / HTTP/${version}`,
      "Expect: 100-Continue",
      "Content-Length: 2",
    ];
    const wish = head(...lines("1.1"));
    assert.deepEqual(parseRequest(wish), { kind: "incomplete", continues: true });
    assert.deepEqual(parseRequest(new Uint8Array([...wish, 65])), { kind: "incomplete" });
    assert.deepEqual(parseRequest(head(...lines("1.0"))), { kind: "incomplete" });
    assert.equal(request(new Uint8Array([...wish, 65, 66])).body, "AB");
  });

  test("a body of any bytes", { timeout: TEST_TIMEOUT_MS }, () => {
    const body = Uint8Array.from({ length: 256 }, (_, i) => i);
    const bytes = new Uint8Array([...head("POST / HTTP/1.1", "Content-Length: 256"), ...body]);
    const result = parseRequest(bytes);
    assert.deepEqual(result.kind === "request" && [...result.request.body], [...body]);
  });

  test("the same at every split, and is incomplete before its last byte", {
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    const whole = bytesOf("POST /v1/stop HTTP/1.1\r\nHost: b\r\nContent-Length: 3\r\n\r\nabc");
    for (let length = 0; length < whole.length; length++) {
      assert.deepEqual(parseRequest(whole.subarray(0, length)), { kind: "incomplete" });
    }
    assert.equal(request(whole).body, "abc");
  });
});

describe("parseRequest() refuses", () => {
  const cases: [string, Uint8Array, number, RegExp][] = [
    ["garbage", head("\u0001\u0002\u0003"), 400, /not an HTTP/],
    ["an empty head", bytesOf("\r\n\r\n"), 400, /not an HTTP/],
    ["a TLS hello", Uint8Array.of(22, 3, 1, 0, 5, 1), 400, /no TLS here: use http/],
    ["lines that end with LF alone", bytesOf("GET / HTTP/1.1\nHost: x\n\n"), 400, /with CR LF/],
    ["HTTP/2", head("PRI * HTTP/2.0"), 400, /not an HTTP/],
    ["HTTP/1.2", head("GET / HTTP/1.2"), 400, /not an HTTP/],
    ["HTTP/0.9", head("GET /"), 400, /not an HTTP/],
    ["a method in lower case", head("get / HTTP/1.1"), 400, /not an HTTP/],
    ["a method that is too long", head(`${"A".repeat(17)} / HTTP/1.1`), 400, /not an HTTP/],
    ["a target that is no path", head("GET ftp://x/ HTTP/1.1"), 400, /not an HTTP/],
    ["a target with a user in it", head("GET http://x@y/ HTTP/1.1"), 400, /not an HTTP/],
    ["a target without a path", head("GET ?a HTTP/1.1"), 400, /not an HTTP/],
    ["a method that fetch refuses", head("TRACE / HTTP/1.1"), 405, /method TRACE is not allowed/],
    ["an unknown method", head("PURGE / HTTP/1.1"), 405, /method PURGE is not allowed/],
    ["a target of another kind", head("OPTIONS * HTTP/1.1"), 400, /not an HTTP/],
    ["a target with a space", head("GET /a b HTTP/1.1"), 400, /not an HTTP/],
    ["a target with other bytes", head("GET /\u00e9 HTTP/1.1"), 400, /not an HTTP/],
    [
      "a target that is too long",
      head(`GET /${"a".repeat(2048)} HTTP/1.1`),
      414,
      /target is longer/,
    ],
    ["two spaces", head("GET  / HTTP/1.1"), 400, /not an HTTP/],
    ["a space in front", head(" GET / HTTP/1.1"), 400, /not an HTTP/],
    ["a header without a colon", head("GET / HTTP/1.1", "Host"), 400, /header line/],
    ["a header without a name", head("GET / HTTP/1.1", ": x"), 400, /header line/],
    ["a space before the colon", head("GET / HTTP/1.1", "Host : x"), 400, /header line/],
    ["a folded header", head("GET / HTTP/1.1", "A: b", " c"), 400, /header line/],
    ["a control character in a header", head("GET / HTTP/1.1", "A: b\0c"), 400, /header line/],
    ["a bare newline in a header", head("GET / HTTP/1.1", "A: b\nC: d"), 400, /header line/],
    ["a chunked body", head("POST / HTTP/1.1", "Transfer-Encoding: chunked"), 501, /chunked/],
    [
      "a chunked body with a length",
      head(
        "POST / HTTP/1.1",
        "Content-Length: 3",
        "transfer-encoding: identity",
      ),
      501,
      /chunked/,
    ],
    ["a negative length", head("POST / HTTP/1.1", "Content-Length: -1"), 400, /Content-Length/],
    ["a length with a sign", head("POST / HTTP/1.1", "Content-Length: +3"), 400, /Content-Length/],
    ["a length in hex", head("POST / HTTP/1.1", "Content-Length: 0x3"), 400, /Content-Length/],
    ["an empty length", head("POST / HTTP/1.1", "Content-Length:"), 400, /Content-Length/],
    ["two lengths in one", head("POST / HTTP/1.1", "Content-Length: 3, 3"), 400, /Content-Length/],
    [
      "a length beyond numbers",
      head(
        "POST / HTTP/1.1",
        `Content-Length: ${"9".repeat(30)}`,
      ),
      400,
      /Content-Length/,
    ],
    [
      "a body that is too long",
      head(
        "POST / HTTP/1.1",
        `Content-Length: ${MAX_BODY_BYTES + 1}`,
      ),
      413,
      /body is longer than 65536 bytes/,
    ],
    [
      "a head that is too long",
      head(
        "GET / HTTP/1.1",
        `x: ${"y".repeat(MAX_HEAD_BYTES)}`,
      ),
      431,
      /head is longer than 8192 bytes/,
    ],
    [
      "a head that is one byte too long",
      head(
        "GET / HTTP/1.1",
        `x: ${"y".repeat(MAX_HEAD_BYTES - "GET / HTTP/1.1\r\nx: ".length + 1)}`,
      ),
      431,
      /head is longer/,
    ],
    ["a head without an end", bytesOf("GET / HTTP/1.1\r\n".repeat(600)), 431, /head is longer/],
  ];
  for (const [name, bytes, status, message] of cases) {
    test(`${name} with ${status}`, { timeout: TEST_TIMEOUT_MS }, () => {
      const result = parseRequest(bytes);
      assert.equal(result.kind, "invalid", JSON.stringify(result));
      if (result.kind !== "invalid") return;
      assert.equal(result.status, status);
      assert.match(result.message, message);
    });
  }

  test("without ever throwing, whatever the bytes", { timeout: TEST_TIMEOUT_MS }, () => {
    const random = new Random(20_261_121);
    const parts = [
      "GET ",
      "POST ",
      "/",
      " HTTP/1.1",
      "\r\n",
      "\r\n\r\n",
      "Content-Length: ",
      "5",
      ":",
    ];
    for (let round = 0; round < 5_000; round++) {
      const text = Array.from(
        { length: random.below(12) },
        () => random.chance(0.8) ? random.pick(parts) : String.fromCharCode(random.below(256)),
      ).join("");
      const { kind } = parseRequest(bytesOf(text));
      assert.ok(["incomplete", "request", "invalid"].includes(kind));
    }
  });
});

describe("encodeResponse() and parseResponse()", () => {
  for (
    const [status, line] of [[200, "HTTP/1.1 200 OK"], [409, "HTTP/1.1 409 Conflict"]] as const
  ) {
    test(
      `a response of ${status} is written whole, and read again`,
      { timeout: TEST_TIMEOUT_MS },
      () => {
        const bytes = encodeResponse(status, "application/json", bytesOf('{"\u00e9":1}'));
        assert.equal(
          textOf(bytes),
          `${line}\r\nContent-Type: application/json\r\nContent-Length: 8\r\n` +
            'Connection: close\r\n\r\n{"\u00e9":1}',
        );
        assert.deepEqual(parseResponse(bytes), { status, body: '{"\u00e9":1}' });
        for (let length = 0; length < bytes.length; length++) {
          assert.equal(parseResponse(bytes.subarray(0, length)), null, `cut at ${length}`);
        }
      },
    );
  }

  test("a response keeps its headers, but those about the connection", () => {
    const headers = new Headers({
      "content-length": "99",
      "transfer-encoding": "chunked",
      "www-authenticate": "Bearer",
    });
    assert.equal(
      textOf(encodeResponse(401, "text/plain", bytesOf("no"), headers)),
      "HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain\r\nwww-authenticate: Bearer\r\n" +
        "Content-Length: 2\r\nConnection: close\r\n\r\nno",
    );
  });

  test("a response without a length goes to the end of the connection", {
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    assert.deepEqual(parseResponse(head("HTTP/1.1 204 No Content")), { status: 204, body: "" });
    const text = "HTTP/1.0 200 OK\r\n\r\nall of it";
    assert.deepEqual(parseResponse(bytesOf(text)), { status: 200, body: "all of it" });
  });

  test("what is no HTTP is no response", { timeout: TEST_TIMEOUT_MS }, () => {
    for (const text of ["", "hello\r\n\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 20\r\n\r\n"]) {
      assert.equal(parseResponse(bytesOf(text)), null, text);
    }
  });
});
