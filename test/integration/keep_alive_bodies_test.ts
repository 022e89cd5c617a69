/**
 * The promise of `--keep-alive migrate` beyond small requests: bodies in both directions arrive as they were sent, what
 * must not move does not, and streams live on. A node server that handles no signal. What is decided at each sample has
 * unit tests (connection_state_body_test.ts, random_conversations_test.ts); `make test` has one body of each kind here.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { connect as connectHttp2 } from "node:http2";
import { describe, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { type Baton, startBaton } from "../support/baton.ts";
import { certificate } from "../support/certificate.ts";
import { freePort } from "../support/free_port.ts";
import { KeptConnection } from "../support/kept_connection.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { IS_FULL, repeats } from "../support/repeats.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const RELOADS = repeats({ full: 3, quick: 1 });
/** Without such a pause a client stays with the old process until the drain time is over. */
const SHORT_THINK_MS = 15;
const THINK_MS = 60;
/** Longer than a connection must be silent to count as idle. */
const LONG_THINK_MS = 700;
const MEGABYTE = 1024 * 1024;
const GET = "GET /?id=0 HTTP/1.1\r\nHost: a\r\n\r\n";

interface Service extends AsyncDisposable {
  readonly baton: Baton;
  readonly port: number;
}

async function service(env: Record<string, string> = {}, ...flags: string[]): Promise<Service> {
  const port = await freePort();
  const baton = await startBaton({
    command: fixtureCommand("conversations.js"),
    env: { PORT: String(port), ...env },
    flags: ["--keep-alive", "migrate", ...flags],
  });
  return { baton, port, [Symbol.asyncDispose]: () => baton[Symbol.asyncDispose]() };
}

const pidOf = (body: Buffer) => Number(/pid=(\d+)/.exec(body.toString())?.[1]);

function get(id: number): string {
  return `GET /?id=${id} HTTP/1.1\r\nHost: a\r\n\r\n`;
}

/** Reloads while `client` keeps working, until it has been with each generation. */
async function whileReloading(
  { baton }: Service,
  client: (isOver: () => boolean) => Promise<void>,
  reloads = RELOADS,
): Promise<number> {
  let isOver = false;
  const conversation = client(() => isOver);
  let moved = 0;
  try {
    for (let i = 0; i < reloads; i++) {
      await baton.reload();
      moved += (await baton.settled()).lastReload?.connectionsKept?.moved ?? 0;
    }
  } finally {
    isOver = true;
    await conversation;
  }
  return moved;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Sends it in parts, the next one when `pause` is over. */
async function sendIn(
  connection: KeptConnection,
  parts: Iterable<Uint8Array | string>,
  pauseMs: number,
): Promise<void> {
  for (const part of parts) {
    connection.send(part);
    await pause(pauseMs);
  }
}

function* partsOf(body: Buffer, size: number): Generator<Buffer> {
  for (let from = 0; from < body.length; from += size) yield body.subarray(from, from + size);
}

function* chunksOf(body: Buffer, size: number): Generator<Buffer> {
  for (const part of partsOf(body, size)) {
    yield Buffer.concat([
      Buffer.from(`${part.length.toString(16)}\r\n`),
      part,
      Buffer.from("\r\n"),
    ]);
  }
  yield Buffer.from("0\r\n\r\n");
}

/** A body of requests. */
function adversarial(length: number): Buffer {
  return Buffer.alloc(length, GET);
}

function sumOf(body: Buffer): string {
  return `${createHash("sha256").update(body).digest("hex")} ${body.length}`;
}

interface Upload {
  readonly body: Buffer;
  readonly partSize: number;
  readonly pauseMs: number;
  readonly isChunked?: boolean;
  readonly expects?: boolean;
}

async function upload(connection: KeptConnection, options: Upload): Promise<string> {
  const { body, partSize, pauseMs, isChunked = false, expects = false } = options;
  const length = isChunked ? "Transfer-Encoding: chunked" : `Content-Length: ${body.length}`;
  const expectation = expects ? "Expect: 100-continue\r\n" : "";
  connection.send(`POST /sum HTTP/1.1\r\nHost: a\r\n${expectation}${length}\r\n\r\n`);
  if (expects) assert.equal((await connection.answer()).status, 100);
  const parts = isChunked ? chunksOf(body, partSize) : partsOf(body, partSize);
  await sendIn(connection, parts, pauseMs);
  return (await connection.answer()).body.toString();
}

describe("bodies of requests arrive as they were sent", () => {
  const random = Buffer.from(Array.from({ length: MEGABYTE }, (_, i) => (i * 7919) % 251));
  const cases: [string, Upload][] = [
    ["5 MB", { body: Buffer.alloc(5 * MEGABYTE, random), partSize: 256 * 1024, pauseMs: 1 }],
    ["in chunks", { body: random, partSize: 16 * 1024, pauseMs: 1, isChunked: true }],
    ["slowly", { body: random.subarray(0, 512), partSize: 16, pauseMs: 15 }],
    ["after 100-continue", {
      body: random.subarray(0, 100_000),
      partSize: 16 * 1024,
      pauseMs: 1,
      expects: true,
    }],
    ["that look like requests", { body: adversarial(40_000), partSize: 33, pauseMs: 0 }],
    ["that look like requests, slowly", {
      body: adversarial(33 * 20),
      partSize: 33,
      pauseMs: 15,
    }],
    ["that look like requests, after 100-continue", {
      body: adversarial(33 * 5),
      partSize: 33,
      pauseMs: 15,
      expects: true,
    }],
  ];
  const quick = ["in chunks", "that look like requests, slowly", "after 100-continue"];
  for (const [name, options] of cases.filter(([name]) => IS_FULL || quick.includes(name))) {
    test(`a request body arrives as it was sent: ${name}`, TEST, async () => {
      await using running = await service();
      const wanted = sumOf(options.body);
      let uploads = 0;
      await whileReloading(running, async (isOver) => {
        await Promise.all(Array.from({ length: 4 }, async () => {
          using connection = new KeptConnection(running.port);
          while (!isOver()) {
            assert.equal(await upload(connection, options), wanted);
            await pause(SHORT_THINK_MS);
            connection.send(get(uploads));
            assert.match((await connection.answer()).body.toString(), /^id=\d+ pid=/);
            uploads++;
            await pause(THINK_MS);
          }
        }));
      });
      assert.ok(uploads >= RELOADS, `${uploads} uploads`);
    });
  }
});

describe("answers arrive whole", () => {
  test("answers of 3 MB, read at once, arrive whole", TEST, async () => {
    await using running = await service();
    const wanted = createHash("sha256").update(Buffer.alloc(3 * MEGABYTE, "0123456789abcdef\n"))
      .digest("hex");
    let downloads = 0;
    await whileReloading(running, async (isOver) => {
      await Promise.all(Array.from({ length: 4 }, async () => {
        using connection = new KeptConnection(running.port);
        while (!isOver()) {
          connection.send(`GET /bytes?n=${3 * MEGABYTE} HTTP/1.1\r\nHost: a\r\n\r\n`);
          const { body } = await connection.answer();
          assert.equal(createHash("sha256").update(body).digest("hex"), wanted);
          downloads++;
        }
      }));
    });
    assert.ok(downloads >= RELOADS, `${downloads} downloads`);
  });

  test("answers with a part every 30 ms arrive whole", TEST, async () => {
    await using running = await service();
    await whileReloading(running, async (isOver) => {
      await Promise.all(Array.from({ length: 4 }, async () => {
        using connection = new KeptConnection(running.port);
        while (!isOver()) {
          connection.send("GET /drip?n=10&ms=30 HTTP/1.1\r\nHost: a\r\n\r\n");
          const { body } = await connection.answer();
          const pids = body.toString().match(/\d+/g) ?? [];
          assert.equal(pids.length, 10);
          assert.equal(new Set(pids).size, 1, "one process has sent all of it");
        }
      }));
    });
  });
});

test("a client that sends four requests at a time gets four answers, in order", {
  ...TEST,
  skip: !IS_FULL && "waits 10 s for a pause of its client; policy: connection_state_test.ts",
}, async () => {
  await using running = await service();
  let asked = 0;
  await whileReloading(running, async (isOver) => {
    let connection = new KeptConnection(running.port);
    while (!isOver()) {
      if (!connection.isOpen) connection = new KeptConnection(running.port);
      connection.send(get(asked) + get(asked + 1) + get(asked + 2) + get(asked + 3));
      for (let i = 0; i < 4; i++, asked++) {
        assert.match((await connection.answer()).body.toString(), new RegExp(`^id=${asked} `));
      }
      assert.equal(connection.waiting, 0, "no answer comes twice");
      await pause(LONG_THINK_MS);
    }
    connection[Symbol.dispose]();
  });
});

test(
  "a client without pauses is answered by one process, then by the other",
  TEST,
  async () => {
    await using running = await service();
    const pids: number[] = [];
    const moved = await whileReloading(running, async (isOver) => {
      using connection = new KeptConnection(running.port);
      for (let id = 0; !isOver(); id++) {
        connection.send(get(id));
        const { body } = await connection.answer();
        assert.match(body.toString(), new RegExp(`^id=${id} `));
        if (pids.at(-1) !== pidOf(body)) pids.push(pidOf(body));
        await pause(5);
      }
    });
    assert.equal(moved, RELOADS);
    assert.equal(pids.length, RELOADS + 1, "each generation once, one after the other");
    assert.equal(new Set(pids).size, pids.length);
  },
);

describe("what must not be moved stays with its process until the drain time is over", () => {
  const DRAIN = ["--drain-time", "1500ms"];

  test(
    "server-sent events stay with their process until the drain time is over",
    TEST,
    async () => {
      await using running = await service({}, ...DRAIN);
      using connection = new KeptConnection(running.port);
      connection.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
      const first = await connection.takeThrough("data: ");
      assert.match(first, /^HTTP\/1\.1 200/);
      const startedAt = performance.now();
      await running.baton.reload();
      const { lastReload } = await running.baton.settled();
      assert.equal(lastReload?.connectionsKept?.moved, 0);
      await waitUntil(() => !connection.isOpen, { what: "the stream has ended" });
      assert.ok(performance.now() - startedAt >= 1_400, "not before its time");
    },
  );

  test("a WebSocket stays with its process until the drain time is over", TEST, async () => {
    await using running = await service({}, ...DRAIN);
    using connection = new KeptConnection(running.port);
    connection.send(GET);
    await connection.answer();
    connection.send(
      "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    assert.equal((await connection.answer()).status, 101);
    // A masked text frame, RFC 6455; the text is a request.
    const frame = Buffer.concat([
      Buffer.from([0x81, 0x80 | GET.length, 0, 0, 0, 0]),
      Buffer.from(GET),
    ]);
    await running.baton.reload();
    const startedAt = performance.now();
    let echoes = 0;
    while (performance.now() - startedAt < 1_000) {
      connection.send(frame);
      assert.deepEqual(await connection.take(frame.length), frame);
      echoes++;
    }
    assert.ok(echoes > 5, `${echoes} echoes after the reload`);
    assert.equal((await running.baton.settled()).lastReload?.connectionsKept?.moved, 0);
  });
});

describe("over TLS, and in HTTP/2, nothing is moved and nothing goes wrong", () => {
  /** Whether what the server has sent at the beginning was an answer is not known for 10 s. */
  const BRIEF = ["--drain-time", "2s"];

  test("HTTP/1.1 over TLS is not moved", TEST, async () => {
    using dir = tempDir();
    await using running = await service(certificate(dir), ...BRIEF);
    const { port } = running;
    const socket = connectTls({ port, host: "127.0.0.1", rejectUnauthorized: false });
    using connection = new KeptConnection(port, socket);
    connection.send(GET);
    const { body } = await connection.answer();
    await running.baton.reload();
    const { lastReload } = await running.baton.settled();
    assert.equal(lastReload?.connectionsKept?.moved, 0);
    assert.ok(pidOf(body) > 0);
    // It is idle at the stop signal, so the old process closes it.
    await waitUntil(() => !connection.isOpen, { what: "the old process has closed it" });
  });

  for (const isTls of IS_FULL ? [false, true] : [true]) {
    test(`HTTP/2${isTls ? " over TLS" : ""} is not moved`, TEST, async () => {
      using dir = tempDir();
      await using running = await service({ H2: "1", ...isTls ? certificate(dir) : {} }, ...BRIEF);
      const url = `${isTls ? "https" : "http"}://127.0.0.1:${running.port}`;
      const session = connectHttp2(url, { rejectUnauthorized: false });
      session.on("error", () => {});
      const body = await new Promise<string>((resolve, reject) => {
        const stream = session.request({ ":path": "/drip?n=10&ms=30" });
        let text = "";
        stream.on("data", (bytes: Buffer) => text += bytes.toString());
        stream.on("end", () => resolve(text));
        stream.on("error", reject);
        running.baton.reload().catch(reject);
      });
      assert.equal(body.match(/data: \d+/g)?.length, 10, "it is finished by the old process");
      const { lastReload } = await running.baton.settled();
      assert.equal(lastReload?.connectionsKept?.moved, 0);
      session.destroy();
    });
  }
});
