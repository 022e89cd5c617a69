/** What each kind of check says and makes of the answers, byte by byte: whole, in pieces, and broken. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ascii, type Dialogue } from "../../../src/health/dialogue.ts";
import { type HttpCheckOptions, HttpDialogue } from "../../../src/health/http_dialogue.ts";
import type { CheckResult } from "../../../src/health/monitor.ts";
import { RedisDialogue } from "../../../src/health/redis_dialogue.ts";
import { TcpDialogue } from "../../../src/health/tcp_dialogue.ts";
import { concatBytes } from "../../../src/platform/bytes.ts";

/** The verdict of an answer, and then of its end; null: it waits for more. */
function hear(dialogue: Dialogue, answer: Uint8Array, ends: boolean): CheckResult | null {
  const { result } = dialogue.onData(answer);
  return result ?? (ends ? dialogue.onEnd() : null);
}

/** Hears the answer one byte at a time. */
function hearSlowly(dialogue: Dialogue, answer: Uint8Array, ends: boolean): CheckResult | null {
  for (const byte of answer) {
    const { result } = dialogue.onData(Uint8Array.of(byte));
    if (result !== undefined) return result;
  }
  return ends ? dialogue.onEnd() : null;
}

/** "+": passed, "?": a counted failure, "!": a wrong answer, "...": more must come; then its text. */
function verdict(result: CheckResult | null): string {
  if (result === null) return "...";
  return `${result.passed ? "+" : result.counts ? "?" : "!"} ${result.text}`;
}

function bothWays(make: () => Dialogue, answer: string | Uint8Array, ends: boolean): string {
  const bytes = typeof answer === "string" ? ascii(answer) : answer;
  const whole = verdict(hear(make(), bytes, ends));
  assert.equal(verdict(hearSlowly(make(), bytes, ends)), whole, "byte by byte as in one piece");
  return whole;
}

describe("HttpDialogue", () => {
  const OPTIONS: HttpCheckOptions = {
    method: "GET",
    path: "/healthz",
    host: "127.0.0.1:8080",
    expected: [{ from: 200, to: 200 }],
    retriable: [],
    body: null,
    serviceName: null,
    epoch: 3,
    mustIdentify: false,
  };
  const head = (status: string, ...headers: string[]) =>
    [`HTTP/1.1 ${status}`, ...headers, "", ""].join("\r\n");

  test("asks for the path, and for nothing after it", () => {
    const text = new TextDecoder().decode(new HttpDialogue(OPTIONS).opening);
    assert.match(text, /^GET \/healthz HTTP\/1\.1\r\nHost: 127\.0\.0\.1:8080\r\n/);
    assert.match(text, /\r\nConnection: close\r\n/);
    assert.match(text, /\r\n\r\n$/);
  });

  const cases: [string, Partial<HttpCheckOptions>, string, boolean, string][] = [
    ["200", {}, head("200 OK"), false, "+ status 200"],
    ["200 of HTTP/1.0, without a reason", {}, "HTTP/1.0 200\r\n\r\n", false, "+ status 200"],
    ["lines that end with LF alone", {}, "HTTP/1.1 200 OK\nA: b\n\n", false, "+ status 200"],
    ["500", {}, head("500 Oops"), false, "! status 500"],
    ["204, which is not expected", {}, head("204 No Content"), false, "! status 204"],
    [
      "204 of a range",
      { expected: [{ from: 200, to: 299 }] },
      head("204 X"),
      false,
      "+ status 204",
    ],
    ["299", { expected: [{ from: 200, to: 299 }] }, head("299 X"), false, "+ status 299"],
    ["300", { expected: [{ from: 200, to: 299 }] }, head("300 X"), false, "! status 300"],
    [
      "503, which is retriable",
      { retriable: [{ from: 500, to: 599 }] },
      head("503 Busy"),
      false,
      "? status 503",
    ],
    [
      "200, which is expected and retriable",
      { retriable: [{ from: 200, to: 599 }] },
      head("200 OK"),
      false,
      "+ status 200",
    ],
    [
      "100 and 103 before it",
      {},
      head("100 Continue") + head("103 Early Hints", "Link: x") + head("200 OK"),
      false,
      "+ status 200",
    ],
    ["half a head", {}, "HTTP/1.1 200 OK\r\nA:", false, "..."],
    [
      "half a head, and its end",
      {},
      "HTTP/1.1 200 OK\r\nA:",
      true,
      "? it closed the connection: an unfinished answer",
    ],
    ["nothing, and its end", {}, "", true, "? it closed the connection: no answer"],
    ["another protocol", {}, "SSH-2.0-OpenSSH_9.2\r\n", false, "? its answer is not HTTP/1"],
    ["a status that is none", {}, "HTTP/1.1 OK\r\n\r\n", false, "? its answer is not HTTP/1"],
    ["HTTP/2", {}, "HTTP/2 200\r\n\r\n", false, "? its answer is not HTTP/1"],
    [
      "the body, by its length",
      { body: /^ok$/ },
      `${head("200 OK", "Content-Length: 2")}ok`,
      false,
      "+ status 200",
    ],
    [
      "the wrong body",
      { body: /^ok$/ },
      `${head("200 OK", "Content-Length: 4")}down`,
      false,
      "! status 200, and the body does not match /^ok$/",
    ],
    [
      "half a body",
      { body: /ok/ },
      `${head("200 OK", "Content-Length: 9")}ok`,
      true,
      "? it closed the connection: status 200, and an unfinished body",
    ],
    ["a body until the end", { body: /ok/ }, `${head("200 OK")}all ok`, true, "+ status 200"],
    ["a body without an end yet", { body: /ok/ }, `${head("200 OK")}all ok`, false, "..."],
    [
      "chunks",
      { body: /^all is ok$/ },
      `${head("200 OK", "Transfer-Encoding: chunked")}4\r\nall \r\n5;x=y\r\nis ok\r\n0\r\n\r\n`,
      false,
      "+ status 200",
    ],
    [
      "chunks that are none",
      { body: /x/ },
      `${head("200 OK", "Transfer-Encoding: chunked")}zz\r\n`,
      false,
      "? its answer is not HTTP/1",
    ],
    [
      "an empty body",
      { body: /^$/, expected: [{ from: 204, to: 204 }] },
      head("204 No Content"),
      false,
      "+ status 204",
    ],
    [
      "the service asked for",
      { serviceName: "web" },
      head("200 OK", "X-Envoy-Upstream-Healthchecked-Cluster: web"),
      false,
      "+ status 200",
    ],
    [
      "another service",
      { serviceName: "web" },
      head("200 OK", "x-envoy-upstream-healthchecked-cluster: api"),
      false,
      "! status 200, from service api",
    ],
    [
      "no service",
      { serviceName: "web" },
      head("200 OK"),
      false,
      "! status 200, without header x-envoy-upstream-healthchecked-cluster",
    ],
    [
      "its own generation",
      { mustIdentify: true },
      head("200 OK", "X-Baton-Epoch: 3"),
      false,
      "+ status 200",
    ],
    [
      "another generation",
      { mustIdentify: true },
      head("200 OK", "X-Baton-Epoch: 2"),
      false,
      "? generation 2 answered",
    ],
    [
      "another generation, where it could not be",
      {},
      head("200 OK", "X-Baton-Epoch: 2"),
      false,
      "? generation 2 answered",
    ],
    [
      "a generation that does not say which it is",
      { mustIdentify: true },
      head("200 OK"),
      false,
      "! all generations share this socket, and the answer does not tell which one it is from " +
      "(no header x-baton-epoch with its BATON_EPOCH)",
    ],
  ];
  for (const [name, options, answer, ends, expected] of cases) {
    test(name, () => {
      const make = () => new HttpDialogue({ ...OPTIONS, ...options });
      assert.equal(bothWays(make, answer, ends), expected);
    });
  }

  test("a head without end is none", () => {
    const dialogue = new HttpDialogue(OPTIONS);
    const long = ascii(`HTTP/1.1 200 OK\r\n${"A: b\r\n".repeat(20_000)}`);
    assert.equal(verdict(hear(dialogue, long, false)), "? its answer is not HTTP/1");
  });

  test("a body without end is looked at as far as it goes", () => {
    const dialogue = new HttpDialogue({ ...OPTIONS, body: /^a+$/ });
    const long = ascii(head("200 OK") + "a".repeat(70_000));
    assert.equal(verdict(hear(dialogue, long, false)), "+ status 200");
  });
});

describe("TcpDialogue", () => {
  const make = (send: string, receive: string | null) => () =>
    new TcpDialogue({ send: ascii(send), receive: receive === null ? null : ascii(receive) });

  test("a connection is enough where nothing is waited for", () => {
    assert.equal(verdict(make("", null)().resultOnConnect), "+ connected");
    assert.equal(make("", "x")().resultOnConnect, null);
  });

  test("sends what it was given", () => {
    assert.deepEqual(make("EHLO x\r\n", null)().opening, ascii("EHLO x\r\n"));
  });

  const cases: [string, string, boolean, string][] = [
    ["the answer", "220 mail ready\r\n", false, "+ answered"],
    ["anywhere in it", "xxx220 yyy", false, "+ answered"],
    ["something else: the right one may still come", "500 no", false, "..."],
    ["something else, and its end", "no", true, '? it closed the connection: it answered "no"'],
    ["nothing, and its end", "", true, "? it closed the connection: no answer"],
  ];
  for (const [name, answer, ends, expected] of cases) {
    test(name, () => assert.equal(bothWays(make("", "220 "), answer, ends), expected));
  }

  test("finds an answer behind more than it keeps", () => {
    const dialogue = make("", "220 ")();
    const noise = new Uint8Array(50_000).fill(120);
    for (let i = 0; i < 4; i++) assert.equal(verdict(hear(dialogue, noise, false)), "...");
    assert.equal(verdict(hear(dialogue, concatBytes(noise, ascii("220 ")), false)), "+ answered");
  });
});

describe("RedisDialogue", () => {
  const make = () => new RedisDialogue();
  const cases: [string, string, boolean, string][] = [
    ["PONG", "+PONG\r\n", false, "+ PONG"],
    ["it is loading", "-LOADING Redis is loading\r\n", false, "! LOADING Redis is loading"],
    [
      "a password",
      "-NOAUTH Authentication required.\r\n",
      false,
      "! NOAUTH Authentication required.",
    ],
    ["another answer", "+OK\r\n", false, '! it answered "+OK\\r\\n"'],
    ["half a line", "+PON", false, "..."],
    ["half a line, and its end", "+PON", true, "? it closed the connection: no answer"],
  ];
  for (const [name, answer, ends, expected] of cases) {
    test(name, () => assert.equal(bothWays(make, answer, ends), expected));
  }

  test("a line without end is no answer", () => {
    assert.match(verdict(hear(make(), ascii("x".repeat(600)), false)), /^! it answered "xxx/);
  });
});
