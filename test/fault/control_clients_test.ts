/** Fault: clients of the control socket that do not behave, or are other users. Allowed outcome: baton and its server are not disturbed. */
import assert from "node:assert/strict";
import { chmodSync, chownSync, statSync } from "node:fs";
import { createConnection } from "node:net";
import { describe, test } from "node:test";
import { batonCommand, runCommand, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { openFds, privateMemoryBytes } from "../support/proc.ts";
import { findNode, required } from "../support/programs.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";
import { AS_NOBODY, server, serves, Stranger } from "../support/refusals.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };

const EXIT_SYSTEM = 71;

const NOBODY = 65_534;

const SOMEBODY_ELSE = 65_533;

const HOST = "HTTP/1.1\r\nHost: baton\r\n";

/** What the server must survive, with the status it answers; null: it says nothing. */
const BAD_REQUESTS: readonly [what: string, bytes: string | Uint8Array, status: number | null][] = [
  ["nothing at all", "", null],
  ["garbage", crypto.getRandomValues(new Uint8Array(4096)), 400],
  ["a TLS client", Uint8Array.of(0x16, 3, 1, 0, 4, 1, 0, 0, 0), 400],
  ["half a request", `GET /v1/status ${HOST}`, null],
  ["half a body", `POST /v1/reload ${HOST}Content-Length: 9\r\n\r\n{}`, null],
  ["no request line", "\r\n\r\n\r\n", 400],
  ["an unknown method", `get /v1/status ${HOST}\r\n`, 400],
  ["an HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
  ["an unknown path", `GET /v1/../../etc/passwd ${HOST}\r\n`, 404],
  ["the wrong method for a path", `GET /v1/stop ${HOST}\r\n`, 405],
  ["a header that is none", `GET /v1/status ${HOST}no colon\r\n\r\n`, 400],
  ["a target that is no URL", `GET //[ ${HOST}\r\n`, 404],
  ["a negative length", `POST /v1/reload ${HOST}Content-Length: -1\r\n\r\n`, 400],
  ["a huge length", `POST /v1/reload ${HOST}Content-Length: 999999999\r\n\r\n`, 413],
  ["a chunked body", `POST /v1/stop ${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 501],
  ["a target that is too long", `GET /${"a".repeat(4096)} ${HOST}\r\n`, 414],
  ["a head that is too long", `GET /v1/status ${HOST}X: ${"a".repeat(16_384)}\r\n\r\n`, 431],
  ["a head that never ends", "a".repeat(256 * 1024), 431],
];

describe("the control socket survives its clients", () => {
  test("garbage, oversized and unfinished requests", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    const before = await baton.settled();
    const descriptors = openFds(baton.pid).size;
    for (const [what, bytes, status] of BAD_REQUESTS) {
      const answer = await talk(baton.socketPath, bytes, { end: true });
      const expected = status === null
        ? /^$/
        : new RegExp(`^HTTP/1.1 ${status} [A-Z][A-Za-z ]+\r\n[^]*\r\n\r\n[^]+$`);
      assert.match(answer, expected, what);
      assert.equal((await baton.status()).pid, baton.pid, `status works after ${what}`);
    }
    await waitUntil(() => openFds(baton.pid).size <= descriptors, { what: "nothing leaks" });
    await serves(baton, port, before);
  });

  test("a request that comes byte by byte is answered", TEST, async () => {
    await using baton = await startBaton(server(await freePort()));
    const socket = createConnection(baton.socketPath);
    const answer = received(socket);
    socket.setNoDelay(true);
    for (const byte of "GET /v1/status HTTP/1.1\r\nHost: baton\r\n\r\n") {
      await new Promise<void>((resolve) => socket.write(byte, () => resolve()));
    }
    assert.match(await answer, /^HTTP\/1\.1 200 OK\r\n[^]*"name":"web"/);
  });

  test("a client that has closed its sending half is answered", TEST, async () => {
    await using baton = await startBaton(server(await freePort()));
    await baton.settled();
    const answer = await talk(baton.socketPath, `POST /v1/reload ${HOST}\r\n`, { end: true });
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[^]*"result":"ok"/);
  });

  test("slow clients are told to go, and more of them than are allowed at once", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    const before = await baton.settled();
    const descriptors = openFds(baton.pid).size;
    const MOST_AT_ONCE = 32;
    const TOO_MANY = 50;
    const sockets = Array.from({ length: TOO_MANY }, () => createConnection(baton.socketPath));
    const answers = sockets.map((socket) => received(socket));
    for (const socket of sockets) socket.write("GET /v1/status HTTP/1.1\r\nHost: ");
    let ended = 0;
    for (const answer of answers) answer.then(() => ended++);
    await waitUntil(() => ended >= TOO_MANY - MOST_AT_ONCE, { what: "those over the limit go" });
    assert.equal(ended, TOO_MANY - MOST_AT_ONCE);
    assert.ok(openFds(baton.pid).size <= descriptors + MOST_AT_ONCE);
    const texts = await Promise.all(answers);
    const late = texts.filter((text) => /^HTTP\/1\.1 408 /.test(text)).length;
    assert.equal(late, MOST_AT_ONCE, texts.join("\n"));
    await waitUntil(() => openFds(baton.pid).size <= descriptors, { what: "nothing leaks" });
    await serves(baton, port, before);
  });

  test("memory stays bounded under a flood", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    const before = await baton.settled();
    const flood = async (connections: number) => {
      for (let i = 0; i < connections; i++) {
        await talk(baton.socketPath, new Uint8Array(1024 * 1024).fill(97));
      }
    };
    await flood(20); // What the runtime takes once and keeps is not counted.
    const bytes = privateMemoryBytes(baton.pid) ?? 0;
    await flood(200);
    const grown = (privateMemoryBytes(baton.pid) ?? Infinity) - bytes;
    assert.ok(grown < 48 * 1024 * 1024, `grew by ${grown} bytes under a flood of 200 MiB`);
    await serves(baton, port, before);
  });

  test("a client that goes away while its reload is under way", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    await baton.settled();
    const socket = createConnection(baton.socketPath);
    socket.write("POST /v1/reload HTTP/1.1\r\nHost: baton\r\n\r\n");
    await waitUntil(async () => (await baton.status()).generations.length > 1, {
      what: "the reload is under way",
    });
    socket.destroy();
    const after = await waitUntil(async () => {
      const status = await baton.settled();
      return status.epoch === 1 && status;
    }, { what: "the reload continues without its client" });
    assert.deepEqual(after.restarts, { ok: 1, failed: 0, crashes: 0 });
  });
});

describe("other users", () => {
  test("the control socket is for its owner alone", TEST, async () => {
    await using baton = await startBaton(server(await freePort()));
    assert.equal(statSync(baton.socketPath).mode & 0o777, 0o600);
    assert.equal(statSync(baton.dir.join("web.lock")).mode & 0o777, 0o600);
  });

  test("one who gets past the mode of the file is refused by its user id", AS_NOBODY, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    const before = await baton.settled();
    chmodSync(baton.dir.path, 0o755);
    chmodSync(baton.socketPath, 0o666);
    for (const line of ["GET /v1/status", "POST /v1/stop", "POST /v1/reload"]) {
      const words = [required("node", findNode()), "-e", ASK, baton.socketPath, line];
      const refused = await runCommand(words, { uid: NOBODY });
      assert.equal(refused.stdout, "connected, closed after 0 bytes", refused.stderr);
    }
    const asked = [required("node", findNode()), "-e", ASK, baton.socketPath, "GET /v1/status"];
    const answered = await runCommand(asked);
    assert.match(answered.stdout, /^connected, closed after \d{3,} bytes$/, "root is answered");
    const { code, stderr } = await runCommand(
      [...batonCommand(), "stop", "--runtime-dir", baton.dir.path],
      { uid: NOBODY },
    );
    assert.equal(code, EXIT_SYSTEM, stderr);
    await serves(baton, port, before);
  });

  test("a client does not talk to the control socket of another user", AS_NOBODY, async () => {
    using directory = tempDir();
    await using impostor = await Stranger.at(directory.join("web.sock"));
    chmodSync(directory.path, 0o755);
    chmodSync(directory.join("web.sock"), 0o666);
    chownSync(directory.join("web.sock"), SOMEBODY_ELSE, SOMEBODY_ELSE);
    for (const verb of ["status", "reload", "stop"]) {
      const { code, stdout, stderr } = await runCommand(
        [...batonCommand(), verb, "web", "--runtime-dir", directory.path],
        { uid: NOBODY },
      );
      assert.equal(code, EXIT_SYSTEM, stderr);
      assert.equal(stdout, "");
      assert.match(stderr, new RegExp(`web\\.sock belongs to user ${SOMEBODY_ELSE}, not to you`));
    }
    assert.equal(impostor.connections, 0, "it was not even connected to");
  });

  test("a socket path that is no socket is not trusted", TEST, async () => {
    using directory = tempDir();
    directory.write("web.sock", "");
    const { code, stderr } = await runCommand(
      [...batonCommand(), "status", "--runtime-dir", directory.path],
    );
    assert.equal(code, EXIT_SYSTEM, stderr);
    assert.match(stderr, /web\.sock is not a socket/);
  });
});

/** Sends one request line to the socket and prints what became of it. */
const ASK = `
const [path, line] = process.argv.slice(1);
let bytes = 0;
const socket = require("node:net").createConnection(path, () => {
  process.stdout.write("connected, ");
  socket.write(line + " HTTP/1.1\\r\\nHost: baton\\r\\n\\r\\n");
});
socket.on("data", (data) => bytes += data.length);
socket.on("error", () => {});
socket.on("close", () => process.stdout.write("closed after " + bytes + " bytes"));
`;

/** All that comes until the connection ends, however it ends. */
function received(socket: ReturnType<typeof createConnection>): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    socket.on("data", (bytes) => text += String(bytes));
    socket.on("error", () => {});
    socket.on("close", () => resolve(text));
  });
}

/** Sends bytes and gives what comes back before the end. */
function talk(
  path: string,
  bytes: string | Uint8Array,
  options: { end?: boolean } = {},
): Promise<string> {
  const socket = createConnection(path);
  const text = received(socket);
  socket.write(bytes);
  if (options.end) socket.end();
  return text;
}
