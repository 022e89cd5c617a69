/**
 * Every cause of a lost request is provoked with a server that misbehaves in just that way, and must be counted as
 * that and nothing else: a load generator that cannot see a loss proves nothing.
 */
import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { describe, test } from "node:test";
import { startBare } from "../support/bare_server.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { LittleServer, type Misbehaviour } from "../support/little_server.ts";
import { findPython, required } from "../support/programs.ts";
import { type Cause, formatTally, Load, type LoadOptions, type Tally } from "../support/load.ts";
import { causeOfCode, CAUSES } from "../support/tally.ts";
import { waitUntil } from "../support/wait_until.ts";

const BODY = "pid=42 version=7\n";
const WHOLE = `HTTP/1.1 200 OK\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;
const CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
  "4;note=x\r\npid=\r\nd\r\n42 version=7\n\r\n0\r\nX-Trailer: 1\r\n\r\n";
const LIMIT = { timeout: TEST_TIMEOUT_MS };
const REQUESTS = 5;

async function loadAgainst(
  onRequest: Misbehaviour,
  options: Omit<LoadOptions, "port"> = {},
): Promise<Tally> {
  await using server = new LittleServer(onRequest);
  const port = await server.listen();
  return await new Load({ clients: 2, maxRequests: REQUESTS, ...options, port }).start().finished();
}

function assertOnly(tally: Tally, cause: Cause, detail: RegExp): void {
  for (const each of CAUSES) {
    assert.equal(tally[each], each === cause ? REQUESTS : 0, formatTally(tally));
  }
  assert.equal(tally.ok, 0, formatTally(tally));
  assert.equal(tally.lost, REQUESTS);
  assert.match(tally.errors[0]?.detail ?? "", detail);
  assert.match(formatTally(tally), new RegExp(`lost ${REQUESTS} .*${cause} ${REQUESTS}`));
}

/**
 * A server that answers and closes without having read the request, in Python: the runtimes of the tests read ahead.
 * The pause is for the request to arrive.
 */
const CLOSES_UNREAD = `
import os, socket, time
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=128)
while True:
    connection, peer = listener.accept()
    time.sleep(0.02)
    connection.sendall(os.environ["ANSWER"].encode())
    connection.close()
`;

async function closesUnread(answer: string): Promise<AsyncDisposable & { port: number }> {
  const port = await freePort();
  const command = [required("python3", findPython()), "-c", CLOSES_UNREAD];
  const env = { PORT: String(port), ANSWER: answer };
  return Object.assign(await startBare({ command, env, port }), { port });
}

/** Writes a text one byte at a time, each as a segment of its own as far as possible. */
function dribble(socket: Socket, text: string): void {
  socket.setNoDelay(true);
  const next = (index: number) => {
    if (index >= text.length) return;
    socket.write(text.slice(index, index + 1), () => setImmediate(() => next(index + 1)));
  };
  next(0);
}

describe("Load counts as refused", () => {
  test("a port where no server listens", LIMIT, async () => {
    const load = new Load({ port: await freePort(), clients: 2, maxRequests: REQUESTS });
    assertOnly(await load.start().finished(), "refused", /ECONNREFUSED/);
  });
});

describe("Load counts as reset", () => {
  test("a RST before any byte", LIMIT, async () => {
    const tally = await loadAgainst((socket) => socket.resetAndDestroy());
    assertOnly(tally, "reset", /ECONNRESET.*no byte of the response/);
  });

  test("a RST in the middle of a response", LIMIT, async () => {
    const tally = await loadAgainst((socket) => {
      socket.write(WHOLE.slice(0, -3), () => setImmediate(() => socket.resetAndDestroy()));
    });
    assertOnly(tally, "reset", /ECONNRESET/);
  });

  test("a close with the request unread, which the kernel makes a RST", LIMIT, async () => {
    await using server = await closesUnread("");
    const load = new Load({ port: server.port, clients: 2, maxRequests: REQUESTS });
    assertOnly(await load.start().finished(), "reset", /ECONNRESET.*no byte/);
  });

  test("EPIPE", () => {
    assert.equal(causeOfCode("EPIPE"), "reset");
    assert.equal(causeOfCode("ECONNRESET"), "reset");
  });
});

describe("Load counts as short", () => {
  const cut: Record<string, [string, RegExp]> = {
    "an end before any byte": ["", /no byte of the response/],
    "an end in the head": [WHOLE.slice(0, 20), /20 bytes of the head/],
    "an end in a counted body": [WHOLE.slice(0, -1), /stopped in sized/],
    "an end in a chunk": [CHUNKED.slice(0, 60), /stopped in chunk_data/],
    "an end between chunks": [CHUNKED.slice(0, CHUNKED.indexOf("d\r\n42")), /in chunk_size/],
    "an end before the last chunk's trailer": [CHUNKED.slice(0, -2), /stopped in trailer/],
    "an end in a counted HTTP/1.0 body": [
      WHOLE.slice(0, -1).replace("1.1", "1.0"),
      /stopped in sized/,
    ],
  };
  for (const [name, [text, detail]] of Object.entries(cut)) {
    test(name, LIMIT, async () => {
      assertOnly(await loadAgainst((socket) => socket.end(text)), "short", detail);
    });
  }
});

describe("Load counts as timedOut", () => {
  test("a server that never answers", LIMIT, async () => {
    const tally = await loadAgainst(() => {}, { timeoutMs: 50 });
    assertOnly(tally, "timedOut", /50 ms passed, with no byte of the response/);
  });

  test("a response whose last byte never comes", LIMIT, async () => {
    const tally = await loadAgainst((socket) => socket.write(WHOLE.slice(0, -1)), {
      timeoutMs: 50,
    });
    assertOnly(tally, "timedOut", /stopped in sized/);
  });

  test("ETIMEDOUT", () => assert.equal(causeOfCode("ETIMEDOUT"), "timedOut"));
});

describe("Load counts as unexpected", () => {
  const odd: Record<string, [string, RegExp]> = {
    "a status that is not 200": [WHOLE.replace("200 OK", "503 No"), /status 503/],
    "bytes that are no HTTP": ["220 smtp.example ESMTP\r\n", /no HTTP status line/],
    "bytes after the response": [WHOLE + "x", /1 bytes after the response/],
    "two responses to one request": [WHOLE + WHOLE, /bytes after the response/],
    "a chunk size that is no number": [CHUNKED.replace("4;note=x", "zz"), /chunk size "zz"/],
    "a chunk longer than its size": [CHUNKED.replace("4;note=x", "3"), /longer than its size/],
  };
  for (const [name, [text, detail]] of Object.entries(odd)) {
    test(name, LIMIT, async () => {
      assertOnly(await loadAgainst((socket) => socket.end(text)), "unexpected", detail);
    });
  }

  test("bytes between two requests of a kept connection", LIMIT, async () => {
    const tally = await loadAgainst((socket) => {
      socket.write(WHOLE, () => setTimeout(() => socket.write("late"), 10));
    }, { mode: "keep-alive", clients: 1, maxRequests: 2, thinkTimeMs: 100 });
    assert.deepEqual([tally.ok, tally.unexpected, tally.lost], [2, 1, 1], formatTally(tally));
  });
});

describe("Load counts as other, and as lost", () => {
  test("a fault of the client's own machine", LIMIT, async () => {
    const elsewhere = { sources: ["192.0.2.1"] }; // TEST-NET-1: no address of ours
    const tally = await loadAgainst((socket) => socket.end(WHOLE), elsewhere);
    assertOnly(tally, "other", /EADDRNOTAVAIL|bind/);
  });
});

describe("Load counts as ok", () => {
  const fine: Record<string, string> = {
    "a counted body": WHOLE,
    "a chunked body with extension and trailer": CHUNKED,
    "a close-delimited body of HTTP/1.0": `HTTP/1.0 200 OK\r\n\r\n${BODY}`,
    "a close-delimited body of HTTP/1.1": `HTTP/1.1 200 OK\r\n\r\n${BODY}`,
    "a response after 100 Continue": `HTTP/1.1 100 Continue\r\n\r\n${WHOLE}`,
  };
  for (const [name, text] of Object.entries(fine)) {
    test(name, LIMIT, async () => {
      const tally = await loadAgainst((socket) => socket.end(text));
      assert.deepEqual([tally.ok, tally.lost], [REQUESTS, 0], formatTally(tally));
      assert.deepEqual([...tally.byBody], [[42, REQUESTS]]);
      assert.deepEqual([...tally.byVersion], [["7", REQUESTS]]);
      assert.equal(tally.connections, REQUESTS);
    });
  }

  test("a whole response with a RST on its heels", LIMIT, async () => {
    await using server = await closesUnread(WHOLE);
    const load = new Load({ port: server.port, clients: 2, maxRequests: REQUESTS });
    const tally = await load.start().finished();
    assert.deepEqual([tally.ok, tally.lost], [REQUESTS, 0], formatTally(tally));
  });

  for (const [name, text] of Object.entries({ counted: WHOLE, chunked: CHUNKED })) {
    test(`a ${name} response byte by byte`, LIMIT, async () => {
      const tally = await loadAgainst((socket) => dribble(socket, text));
      assert.deepEqual([tally.ok, tally.lost], [REQUESTS, 0], formatTally(tally));
      assert.deepEqual([...tally.byBody], [[42, REQUESTS]]);
    });
  }
});

describe("Load in keep-alive mode", () => {
  test("sends all of a client's requests on one connection", LIMIT, async () => {
    const tally = await loadAgainst((socket) => socket.write(WHOLE), { mode: "keep-alive" });
    assert.deepEqual([tally.ok, tally.lost, tally.connections], [REQUESTS, 0, 2]);
  });

  test("opens a new one after `Connection: close`, without a loss", LIMIT, async () => {
    const closing = WHOLE.replace("Content", "Connection: close\r\nContent");
    const tally = await loadAgainst((socket) => socket.end(closing), { mode: "keep-alive" });
    assert.deepEqual([tally.ok, tally.lost, tally.connections], [REQUESTS, 0, REQUESTS]);
    assert.equal(tally.idleCloses, 0);
  });

  test("opens a new one after an idle one was closed, without a loss", LIMIT, async () => {
    const tally = await loadAgainst((socket) => {
      socket.write(WHOLE, () => setTimeout(() => socket.end(), 10));
    }, { mode: "keep-alive", clients: 1, maxRequests: 3, thinkTimeMs: 100 });
    assert.deepEqual([tally.ok, tally.lost, tally.connections], [3, 0, 3], formatTally(tally));
    assert.equal(tally.idleCloses, 2);
  });

  test(
    "counts a kept connection that is reset under a request, and says that it was kept",
    LIMIT,
    async () => {
      const tally = await loadAgainst((socket, nth) => {
        if (nth === 0) socket.write(WHOLE);
        else socket.resetAndDestroy();
      }, { mode: "keep-alive", clients: 1, maxRequests: 4 });
      assert.deepEqual([tally.ok, tally.reset, tally.lost], [2, 2, 2], formatTally(tally));
      assert.ok(tally.errors.every((error) => error.reused), formatTally(tally));
    },
  );
});

describe("Load", () => {
  test("stop() lets requests in flight end and starts no more", LIMIT, async () => {
    let served = 0;
    await using server = new LittleServer((socket) => {
      setTimeout(() => socket.end(WHOLE, () => served++), 100);
    });
    const port = await server.listen();
    const load = new Load({ port, clients: 3 }).start();
    await waitUntil(() => server.sockets.size === 3, { what: "three requests are in flight" });
    const tally = await load.stop();
    assert.deepEqual([tally.ok, tally.lost, served], [3, 0, 3], formatTally(tally));
  });

  test("stop() ends a long pause at once", LIMIT, async () => {
    const pausing = { clients: 2, thinkTimeMs: 60_000 };
    await using server = new LittleServer((socket) => socket.end(WHOLE));
    const load = new Load({ ...pausing, port: await server.listen() }).start();
    await waitUntil(() => load.tally.ok === 2, { what: "both clients pause" });
    assert.ok((await load.stop()).elapsedMs < 30_000);
  });

  test("maxDurationMs ends it", LIMIT, async () => {
    const tally = await loadAgainst((socket) => socket.end(WHOLE), {
      maxDurationMs: 100,
      maxRequests: 1_000_000,
    });
    assert.ok(tally.ok > 0 && tally.lost === 0, formatTally(tally));
    assert.ok(tally.elapsedMs >= 99 && tally.elapsedMs < 5_000, formatTally(tally));
  });

  test("connections come from the sources in turn", LIMIT, async () => {
    await using server = new LittleServer((socket) => socket.end(WHOLE));
    const sources = ["127.0.0.21", "127.0.0.22"];
    const port = await server.listen();
    await new Load({ port, sources, clients: 1, maxRequests: 4 }).start().finished();
    assert.deepEqual(server.peers, [...sources, ...sources]);
  });

  test("maxLatencyMs is that of the slowest response", LIMIT, async () => {
    const tally = await loadAgainst((socket) => setTimeout(() => socket.end(WHOLE), 80));
    assert.ok(tally.maxLatencyMs >= 79 && tally.maxLatencyMs < 5_000, formatTally(tally));
  });
});
