/** What unread bytes begin with: requests of HTTP/1, and everything that must never be taken for one. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { classifyUnread, HEAD_LIMIT, type HeadKind } from "../../../src/migration/request_head.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
const CHUNKED = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
const TLS_HELLO = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
const HTTP2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

describe("classifyUnread()", () => {
  const cases: [string, string, HeadKind, number | null][] = [
    ["a request without a body", GET, "request", GET.length],
    ["HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", "request", 18],
    ["lines that end with LF alone", "GET / HTTP/1.1\nHost: a\n\n", "request", 24],
    ["a body that is all there", POST + "12345", "request", POST.length + 5],
    ["a body that is partly there", POST + "12", "request", POST.length + 5],
    ["a length in capitals", "PUT / HTTP/1.1\r\nCONTENT-LENGTH:3\r\n\r\nabc", "request", 39],
    ["a method of an extension", "PROPFIND /d HTTP/1.1\r\n\r\n", "request", 24],
    ["a target in absolute form", `GET http://a/ HTTP/1.1\r\n\r\n`, "request", 26],
    ["a chunked body: its end is unknown", CHUNKED, "request", null],
    ["a chunked body that is partly there", CHUNKED + "5\r\n12345\r\n", "request", null],
    [
      "a body that waits for 100-continue",
      "PUT / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n",
      "request",
      null,
    ],
    ["two requests", GET + GET, "pipelined", GET.length],
    ["a request and a part of the next", GET + "G", "pipelined", GET.length],
    ["a request with a body, and the next", POST + "12345" + GET, "pipelined", POST.length + 5],
    ["a WebSocket", "GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", "upgrade", null],
    ["HTTP/2 from an upgrade", "GET / HTTP/1.1\r\nupgrade: h2c\r\n\r\n", "upgrade", null],
    ["a tunnel", "CONNECT a:443 HTTP/1.1\r\n\r\n", "upgrade", null],
    ["the first letter", "G", "partial", null],
    ["an incomplete request line", "GET /a", "partial", null],
    ["a request line without its end", "GET / HTTP/1.1\r", "partial", null],
    ["an incomplete head", "GET / HTTP/1.1\r\nHost: a\r\n", "partial", null],
    ["a head that is too long", `GET / HTTP/1.1\r\n${"a".repeat(HEAD_LIMIT)}`, "other", null],
    ["TLS", TLS_HELLO, "other", null],
    ["HTTP/2, another version", HTTP2, "other", null],
    ["frames of HTTP/2", "\x00\x00\x12\x04\x00\x00\x00\x00\x00", "other", null],
    ["a frame of a WebSocket", "\x81\x85abcd", "other", null],
    ["an answer", "HTTP/1.1 200 OK\r\n\r\n", "other", null],
    ["JSON", '{"GET": "/ HTTP/1.1"}', "other", null],
    ["a body with a request inside", `x${GET}`, "other", null],
    ["an empty line before a request", `\r\n${GET}`, "other", null],
    ["a target with a space", "GET /a b HTTP/1.1\r\n\r\n", "other", null],
    ["HTTP/1.2", "GET / HTTP/1.2\r\n\r\n", "other", null],
    ["a method in small letters", "get / HTTP/1.1\r\n\r\n", "other", null],
    ["Redis", "*1\r\n$4\r\nPING\r\n", "other", null],
  ];
  for (const [name, text, beginning, length] of cases) {
    test(`${name}: ${beginning}`, () => {
      const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
      assert.deepEqual(classifyUnread(bytes.subarray(0, HEAD_LIMIT)), { kind: beginning, length });
    });
  }

  test("finds no request at any other place of two", () => {
    const bytes = new TextEncoder().encode(POST + "12345" + GET);
    const starts = Array.from(bytes.keys()).filter((from) => {
      const { kind: beginning } = classifyUnread(bytes.subarray(from));
      return beginning === "request" || beginning === "pipelined";
    });
    // What is left of a method may be one.
    assert.deepEqual(starts, [0, 1, POST.length + 5]);
  });
});
