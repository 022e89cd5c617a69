/** The control socket as its clients meet it: answers, refusals, and clients that do not behave. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, statSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { callControl, ControlError } from "../../../src/admin/client.ts";
import { ControlServer } from "../../../src/admin/control_server.ts";
import type { FetchHandler } from "../../../src/admin/http_connection.ts";
import { parseResponse } from "../../../src/admin/http1.ts";
import type { Fd } from "../../../src/platform/fd.ts";
import { C } from "../../../src/platform/libc/constants.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { tempDir } from "../../support/temp_dir.ts";
import { testPlatform } from "../../support/test_platform.ts";
import { waitUntil } from "../../support/wait_until.ts";

const MAX_CONNECTIONS = 32;
type TestPlatform = Awaited<ReturnType<typeof testPlatform>>;

const bytesOf = (text: string) => new TextEncoder().encode(text);
const echo: FetchHandler = async (request) =>
  Response.json({
    method: request.method,
    path: new URL(request.url).pathname,
    body: await request.text(),
  });

/** Runs `use` with a control server at a socket of its own. */
async function withServer(
  handler: FetchHandler,
  use: (platform: TestPlatform, path: string) => Promise<void>,
): Promise<void> {
  await using platform = await testPlatform();
  const errors: unknown[] = [];
  platform.reactor.onError = (error) => errors.push(error);
  using dir = tempDir();
  const path = dir.join("control.sock");
  const server = new ControlServer(platform, path, handler);
  try {
    await use(platform, path);
  } finally {
    server.close();
  }
  assert.deepEqual(errors, [], "no handler has thrown");
  assert.equal(platform.reactor.size, 0, "no connection is left");
  assert.equal(existsSync(path), false);
}

/** A client that does not wait in a system call: the server runs on this very thread. */
function connect(platform: TestPlatform, path: string): Fd {
  const client = platform.sockets.stream("unix");
  platform.sockets.connectUnix(client, path);
  platform.descriptors.setNonblocking(client);
  return client;
}

/** Everything until the server closes. */
async function readAll(platform: TestPlatform, client: Fd): Promise<Uint8Array> {
  const chunks: number[] = [];
  await waitUntil(() => {
    for (;;) {
      const bytes = platform.descriptors.read(client, new Uint8Array(65536));
      if (bytes === null) return false;
      if (bytes.length === 0) return true;
      chunks.push(...bytes);
    }
  }, { what: "the server has answered and closed" });
  return Uint8Array.from(chunks);
}

async function ask(platform: TestPlatform, path: string, text: string) {
  using client = connect(platform, path);
  platform.descriptors.writeAll(client, bytesOf(text));
  return parseResponse(await readAll(platform, client));
}

describe("ControlServer", () => {
  test("answers a request, at a socket that is its owner's alone", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await withServer(echo, async (platform, path) => {
      assert.equal(statSync(path).mode & 0o777, 0o600);
      const answer = await ask(
        platform,
        path,
        "POST /v1/reload HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi",
      );
      assert.equal(answer?.status, 200);
      assert.deepEqual(JSON.parse(answer!.body), {
        method: "POST",
        path: "/v1/reload",
        body: "hi",
      });
    });
  });

  test("answers a request that comes byte by byte, and several clients at once", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await withServer(echo, async (platform, path) => {
      using slow = connect(platform, path);
      const text = "GET /slow HTTP/1.1\r\nHost: b\r\n\r\n";
      for (const char of text.slice(0, -1)) platform.descriptors.writeAll(slow, bytesOf(char));
      const fast = await ask(platform, path, "GET /fast HTTP/1.1\r\n\r\n");
      assert.match(fast?.body ?? "", /"\/fast"/);
      platform.descriptors.writeAll(slow, bytesOf(text.slice(-1)));
      assert.match(new TextDecoder().decode(await readAll(platform, slow)), /"\/slow"/);
    });
  });

  test("sends an answer that is longer than a socket's buffer", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const body = "x".repeat(2_000_000);
    await withServer(() => new Response(body), async (platform, path) => {
      const answer = await ask(platform, path, "GET / HTTP/1.1\r\n\r\n");
      assert.equal(answer?.body.length, body.length);
    });
  });

  for (
    const [name, text, status] of [
      ["garbage", "\u0001\r\n\r\n", 400],
      ["a chunked body", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 501],
      ["a head without an end", "x".repeat(9_000), 431],
      ["TRACE, which fetch's Request may refuse", "TRACE / HTTP/1.1\r\n\r\n", 405],
      ["a NUL in a header", "GET / HTTP/1.1\r\nX: \0\r\n\r\n", 400],
    ] as const
  ) {
    test(`answers ${name} with ${status}`, { timeout: TEST_TIMEOUT_MS }, async () => {
      await withServer(echo, async (platform, path) => {
        assert.equal((await ask(platform, path, text))?.status, status);
      });
    });
  }

  test("answers 500 when its handler fails", { timeout: TEST_TIMEOUT_MS }, async () => {
    const failing = () => Promise.reject(new Error("out of order"));
    await withServer(failing, async (platform, path) => {
      const answer = await ask(platform, path, "GET / HTTP/1.1\r\n\r\n");
      assert.deepEqual(answer, { status: 500, body: '{"error":"out of order"}' });
    });
  });

  test("forgets a client that goes before it has asked, or before it is answered", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const slow = async () => {
      await held;
      return new Response("late");
    };
    await withServer(slow, async (platform, path) => {
      for (const text of ["", "GET / HT", "GET / HTTP/1.1\r\n\r\n"]) {
        const client = connect(platform, path);
        await waitUntil(() => platform.reactor.size === 2, { what: "it is connected" });
        platform.descriptors.writeAll(client, bytesOf(text));
        client.close();
        await waitUntil(() => platform.reactor.size === 1, { what: "it is forgotten" });
      }
      release();
    });
  });

  test("answers a client that has closed its own direction, as nc -N does", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const { promise: asked, resolve: noteAsked } = Promise.withResolvers<void>();
    const slow = async () => {
      noteAsked();
      await held;
      return new Response("late");
    };
    await withServer(slow, async (platform, path) => {
      using client = connect(platform, path);
      platform.descriptors.writeAll(client, bytesOf("GET / HTTP/1.1\r\n\r\n"));
      platform.libc.c.shutdown(client.number, C.SHUT_WR);
      await asked;
      release();
      assert.equal(parseResponse(await readAll(platform, client))?.body, "late");
    });
  });

  test("serves as many clients as it says, closes others, and serves again", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await withServer(echo, async (platform, path) => {
      const idle = Array.from({ length: MAX_CONNECTIONS }, () => connect(platform, path));
      await waitUntil(() => platform.reactor.size === MAX_CONNECTIONS + 1, { what: "all are in" });
      using more = connect(platform, path);
      assert.equal((await readAll(platform, more)).length, 0);
      for (const client of idle) client.close();
      await waitUntil(() => platform.reactor.size === 1, { what: "they are gone" });
      assert.equal((await ask(platform, path, "GET / HTTP/1.1\r\n\r\n"))?.status, 200);
    });
  });
});

describe("callControl()", () => {
  const request = { method: "GET", path: "/", timeoutMs: 1_000 } as const;
  const kindOf = (action: () => unknown) => {
    try {
      action();
      return "no error";
    } catch (error) {
      assert.ok(error instanceof ControlError, String(error));
      return error.kind;
    }
  };

  test("answers at its farewell who has asked, and who waits to be let in", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    const path = dir.join("control.sock");
    const { promise: over, resolve } = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const server = new ControlServer(platform, path, async () => {
      asked.resolve();
      await over;
      return new Response("how it went");
    });
    const request = bytesOf("POST /v1/stop?wait=1 HTTP/1.1\r\n\r\n");
    using early = connect(platform, path);
    platform.descriptors.write(early, request);
    await asked.promise;
    using late = connect(platform, path);
    platform.descriptors.write(late, request);
    resolve();
    await server.answerRemainingClients();
    server.close();
    for (const client of [early, late]) {
      const response = parseResponse(await readAll(platform, client));
      assert.equal(response?.body, "how it went");
    }
  });

  test("says why nobody answers", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    const path = dir.join("control.sock");
    const call = (at: string) => kindOf(() => callControl(platform, at, request));
    assert.equal(call(path), "absent");
    assert.equal(call(dir.write("file", "")), "untrusted");
    assert.equal(call(dir.join("file", "below")), "absent");
    using listener = platform.sockets.stream("unix");
    platform.sockets.bindUnix(listener, path);
    assert.equal(call(path), "absent", "nobody listens");
    platform.sockets.listen(listener, 1);
    const startedAt = performance.now();
    const hurried = { ...request, timeoutMs: 50 };
    assert.equal(kindOf(() => callControl(platform, path, hurried)), "timed_out");
    assert.ok(performance.now() - startedAt < 5_000);
  });

  test("says that a baton has exited with the request in its queue", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    const path = dir.join("control.sock");
    // Exits when there is something to accept.
    const script =
      "import select, socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); " +
      "s.listen(); print(flush=True); select.select([s], [], [])";
    const child = spawn("python3", ["-c", script, path], { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    assert.throws(() => callControl(platform, path, request), {
      message: `${path} closed the connection without a reply`,
    });
    if (child.exitCode === null) await once(child, "exit");
  });

  test("does not believe a socket in a folder that it may not look into", {
    skip: process.geteuid?.() === 0 && "root may look everywhere",
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    assert.equal(kindOf(() => callControl(platform, "/root/x/control.sock", request)), "untrusted");
  });
});
