/** What a request to an administration interface comes to: answers of all kinds, and each failure in words. */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:net";
import { describe, test } from "node:test";
import { type AdminAddress, askAdmin } from "../../src/envoy/admin_client.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { tempDir } from "../support/temp_dir.ts";
import { testPlatform } from "../support/test_platform.ts";

const OPTIONS = { timeout: TEST_TIMEOUT_MS };
const LONG = "x".repeat(300_000);

/** Answers each request with `answer`, and then ends the connection if `ends`. */
async function server(answer: string, ends: boolean, path?: string) {
  const heard: string[] = [];
  const made: Server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      heard.push(bytes.toString());
      if (ends) socket.end(answer);
      else socket.write(answer);
    });
  });
  await new Promise<void>((resolve) => {
    if (path === undefined) made.listen(0, "127.0.0.1", resolve);
    else made.listen(path, resolve);
  });
  const bound = made.address();
  const address: AdminAddress = typeof bound === "object" && bound !== null
    ? { family: "inet", host: "127.0.0.1", port: bound.port, scope: 0 }
    : { family: "unix", path: path!.replace("\0", "@") };
  return { heard, address, [Symbol.dispose]: () => made.close() };
}

const ANSWERS: readonly [name: string, answer: string, ends: boolean, expected: object][] = [
  ["a body with a length", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nLIVE\n", false, {
    status: 200,
    body: "LIVE\n",
  }],
  ["chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n", false, {
    status: 200,
    body: "OK",
  }],
  ["a body up to the end", "HTTP/1.1 503 Service Unavailable\r\n\r\nDRAINING\n", true, {
    status: 503,
    body: "DRAINING\n",
  }],
  ["no body", "HTTP/1.1 204 No Content\r\n\r\n", false, { status: 204, body: "" }],
  [
    "a long body",
    `HTTP/1.1 200 OK\r\ncontent-length: ${LONG.length}\r\n\r\n${LONG}`,
    false,
    { status: 200, body: LONG },
  ],
  ["something else", "220 ready\r\n", false, { failure: "its answer is not HTTP/1" }],
  ["nothing", "", true, { failure: "it closed the connection: no answer" }],
  ["half a head", "HTTP/1.1 200 OK\r\n", true, {
    failure: "it closed the connection: an unfinished answer",
  }],
  ["half a body", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhal", true, {
    failure: "it closed the connection: status 200, and an unfinished body",
  }],
];

describe("askAdmin", () => {
  for (const [name, answer, ends, expected] of ANSWERS) {
    test(`of a server that answers with ${name}`, OPTIONS, async () => {
      await using platform = await testPlatform();
      using at = await server(answer, ends);
      const request = { method: "GET", path: "/ready", timeoutMs: TEST_TIMEOUT_MS };
      assert.deepEqual(await askAdmin(platform, at.address, request), expected);
    });
  }

  test("sends a request that has no body, and ends its connection", OPTIONS, async () => {
    await using platform = await testPlatform();
    using at = await server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false);
    const request = { method: "POST", path: "/healthcheck/fail?x", timeoutMs: TEST_TIMEOUT_MS };
    await askAdmin(platform, at.address, request);
    const [first, ...headers] = at.heard.join("").split("\r\n");
    assert.equal(first, "POST /healthcheck/fail?x HTTP/1.1");
    for (const header of ["Content-Length: 0", "Connection: close"]) {
      assert.ok(headers.includes(header), at.heard.join(""));
    }
  });

  test("reaches a Unix socket, by a path or an abstract name", OPTIONS, async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    for (const path of [dir.join("admin.sock"), `\0baton-test-${process.pid}`]) {
      using at = await server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", false, path);
      const request = { method: "GET", path: "/", timeoutMs: TEST_TIMEOUT_MS };
      assert.deepEqual(await askAdmin(platform, at.address, request), { status: 200, body: "ok" });
      assert.match(at.heard.join(""), /\r\nHost: localhost\r\n/);
    }
  });

  test("says what failed: nobody listens, no such path, no answer in time", OPTIONS, async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    using silent = await server("", false);
    const closed = { family: "inet", host: "127.0.0.1", port: await freePort(), scope: 0 } as const;
    const cases: [address: AdminAddress, timeoutMs: number, failure: RegExp][] = [
      [closed, TEST_TIMEOUT_MS, /^refused$/],
      [{ family: "unix", path: dir.join("none") }, TEST_TIMEOUT_MS, /ENOENT/],
      [{ family: "unix", path: dir.join("n".repeat(120)) }, TEST_TIMEOUT_MS, /107 fit/],
      [silent.address, 50, /^no answer within 0.05 s$/],
    ];
    for (const [address, timeoutMs, failure] of cases) {
      const answer = await askAdmin(platform, address, { method: "GET", path: "/", timeoutMs });
      assert.match("failure" in answer ? answer.failure : "an answer", failure);
    }
  });
});
