/**
 * The promise: connections that clients keep open in silence hold the old generation for --quiet, also when request and
 * answer fell into one tick of the kernel's clock; and one on which an answer is owed is never taken for one of them.
 */
import assert from "node:assert/strict";
import { createConnection, type Socket } from "node:net";
import { describe, test } from "node:test";
import { AMBIGUOUS_QUIET_MS } from "../../src/drain/classify.ts";
import { sysctl } from "../../src/platform/process/proc.ts";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { repeats } from "../support/repeats.ts";
import { place, server } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const CONNECTIONS = repeats({ full: 3_000, quick: 200 });
const BUSY = repeats({ full: 100, quick: 20 });
/** Longer than --quiet, and than the longest wait for an acknowledgment. */
const SLOW_MS = 3_000;
const REQUEST = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
const SLOW_REQUEST = REQUEST.replace("/", `/slow?ms=${SLOW_MS}`);

// Where it takes more answers until the kernel is in that mode, such connections are waited for.
const lacks = sysctl("net/ipv4/tcp_pingpong_thresh") === "1"
  ? null
  : "the kernel does not tell who sent last";
const needs = server("go").needs();

/** A kept connection after one answer. */
async function kept(port: number): Promise<Socket> {
  const socket = createConnection({ host: "127.0.0.1", port, noDelay: true });
  socket.write(REQUEST);
  await nextAnswer(socket);
  return socket;
}

/** Null: the connection has ended without. */
function nextAnswer(socket: Socket): Promise<string | null> {
  return new Promise((resolve) => {
    socket.once("data", (data) => resolve(`${data}`));
    socket.once("error", () => resolve(null));
    socket.once("close", () => resolve(null));
  });
}

/** The next request in as many parts, as soon as the answer is there: in one tick with it. */
async function askAgain(port: number, parts: number): Promise<{ answer: Promise<string | null> }> {
  const socket = await kept(port);
  const size = Math.ceil(SLOW_REQUEST.length / parts);
  for (let at = 0; at < SLOW_REQUEST.length; at += size) {
    socket.write(SLOW_REQUEST.slice(at, at + size));
  }
  return { answer: nextAnswer(socket).finally(() => socket.destroy()) };
}

/** Starts a server that keeps connections for as long as its clients do. */
function start(port: number, workDir: string): Promise<Baton> {
  const flags = ["--drain", "quiesce", "--drain-time", "2m"];
  return startBaton({ ...place(server("go"), { port, workDir }), flags });
}

function loggedAt(baton: Baton, what: string): number {
  return Date.parse(new RegExp(`^(\\S+Z) .*${what}`, "m").exec(baton.stderr)?.[1] ?? "");
}

describe("a reload with connections that clients keep", () => {
  test(`${CONNECTIONS} silent ones hold the old generation no longer than it must`, {
    skip: needs ?? lacks ?? false,
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const port = await freePort();
    using dir = tempDir();
    await using baton = await start(port, dir.path);
    const open: Socket[] = [];
    try {
      // One after the other, each as fast as can be.
      for (let i = 0; i < CONNECTIONS; i++) open.push(await kept(port));
      const answeredAtMs = Date.now();
      assert.equal((await baton.reload()).result, "ok", baton.stderr);
      await waitUntil(() => baton.stderr.includes("generation 0 exited"), {
        what: "it has exited",
      });
      const silentMs = loggedAt(baton, "generation 0 exited") - answeredAtMs;
      assert.ok(silentMs < AMBIGUOUS_QUIET_MS, `${silentMs} ms after the last answer`);
      assert.match(baton.stderr, /generation 0 exited cut=0/);
    } finally {
      for (const socket of open) socket.destroy();
    }
  });

  test(`${BUSY} slow requests right after an answer, in one part to three: all are answered`, {
    skip: needs ?? false,
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    const port = await freePort();
    using dir = tempDir();
    await using baton = await start(port, dir.path);
    const idle = await kept(port);
    const asked: Awaited<ReturnType<typeof askAgain>>[] = [];
    for (let i = 0; i < BUSY; i++) asked.push(await askAgain(port, 1 + i % 3));
    assert.equal((await baton.reload()).result, "ok", baton.stderr);
    const found = await Promise.all(asked.map(({ answer }) => answer));
    const lost = found.filter((answer) => answer === null || !answer.startsWith("HTTP/1.1 200"));
    assert.deepEqual(lost, [], baton.stderr);
    await waitUntil(() => baton.stderr.includes("generation 0 exited"), { what: "it has exited" });
    assert.match(baton.stderr, /generation 0 exited cut=0/);
    idle.destroy();
  });
});
