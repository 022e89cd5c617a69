/** Responses that are sent as they come, by the control socket. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ControlServer } from "../../../src/admin/control_server.ts";
import type { Fd } from "../../../src/platform/fd.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { tempDir } from "../../support/temp_dir.ts";
import { testPlatform } from "../../support/test_platform.ts";
import { waitUntil } from "../../support/wait_until.ts";

const REQUEST = new TextEncoder().encode("GET /v1/events HTTP/1.1\r\n\r\n");
const ORDINARY_CONNECTIONS = 32;

type TestPlatform = Awaited<ReturnType<typeof testPlatform>>;

/** A stream that the test feeds. */
function source() {
  let controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  const seen = { cancelled: false };
  const body = new ReadableStream<Uint8Array>({
    start: (given) => void (controller = given),
    cancel: () => void (seen.cancelled = true),
  });
  const feed = (text: string) => controller?.enqueue(new TextEncoder().encode(text));
  const fail = () => {
    controller?.error(new Error("too slow"));
    seen.cancelled = true;
  };
  return { body, seen, feed, fail, end: () => controller?.close() };
}

async function withStream(
  use: (parts: {
    platform: TestPlatform;
    sources: ReturnType<typeof source>[];
    connect: () => Fd;
  }) => Promise<void>,
): Promise<void> {
  await using platform = await testPlatform();
  using dir = tempDir();
  const path = dir.join("control.sock");
  const sources: ReturnType<typeof source>[] = [];
  const server = new ControlServer(platform, path, () => {
    const stream = source();
    sources.push(stream);
    return new Response(stream.body, { headers: { "content-type": "text/event-stream" } });
  });
  const connect = () => {
    const client = platform.sockets.stream("unix");
    platform.sockets.connectUnix(client, path);
    platform.descriptors.setNonblocking(client);
    platform.descriptors.writeAll(client, REQUEST);
    return client;
  };
  try {
    await use({ platform, sources, connect });
  } finally {
    server.close();
  }
  await waitUntil(() => sources.every(({ seen }) => seen.cancelled), { what: "none is read on" });
  assert.equal(platform.reactor.size, 0, "no connection is left");
}

/** Reads on until `isEnough`. @returns everything so far, and whether the server has closed */
async function readUntil(
  platform: TestPlatform,
  client: Fd,
  isEnough: (text: string, isClosed: boolean) => boolean,
): Promise<string> {
  let text = "";
  let isClosed = false;
  const decoder = new TextDecoder();
  await waitUntil(() => {
    const bytes = platform.descriptors.read(client, new Uint8Array(65536));
    if (bytes?.length === 0) isClosed = true;
    else if (bytes) text += decoder.decode(bytes, { stream: true });
    return isEnough(text, isClosed);
  }, { what: "the client has read enough" });
  return text;
}

describe("a stream over the control socket", () => {
  test("is sent part by part, without a length", { timeout: TEST_TIMEOUT_MS }, async () => {
    await withStream(async ({ platform, sources, connect }) => {
      using client = connect();
      const head = await readUntil(platform, client, (text) => text.endsWith("\r\n\r\n"));
      assert.match(head, /^HTTP\/1\.1 200 OK\r\nContent-Type: text\/event-stream\r\n/);
      assert.doesNotMatch(head, /content-length/i);
      for (const part of ["one", "two"]) {
        sources[0]!.feed(part);
        assert.equal(await readUntil(platform, client, (text) => text === part), part);
      }
      sources[0]!.end();
      await readUntil(platform, client, (_, isClosed) => isClosed);
      sources[0]!.seen.cancelled = true;
    });
  });

  test("is cancelled when its client leaves", { timeout: TEST_TIMEOUT_MS }, async () => {
    await withStream(async ({ platform, sources, connect }) => {
      const client = connect();
      await readUntil(platform, client, (text) => text.endsWith("\r\n\r\n"));
      client.close();
      await waitUntil(() => sources[0]!.seen.cancelled, { what: "its stream is cancelled" });
    });
  });

  test("is closed when it fails, though its client does not read", async () => {
    await withStream(async ({ platform, sources, connect }) => {
      using client = connect();
      await readUntil(platform, client, (text) => text.endsWith("\r\n\r\n"));
      const { size } = platform.reactor;
      sources[0]!.feed("x".repeat(4 * 1024 * 1024));
      await waitUntil(() => platform.descriptors.waitReadable([client], 0).length > 0, {
        what: "more is sent than the client takes",
      });
      sources[0]!.fail();
      await waitUntil(() => platform.reactor.size < size, { what: "the connection is closed" });
    });
  });

  test("does not take the place of a command", { timeout: TEST_TIMEOUT_MS }, async () => {
    await withStream(async ({ platform, sources, connect }) => {
      const clients = [];
      for (let count = 1; count <= ORDINARY_CONNECTIONS + 1; count++) {
        clients.push(connect());
        await waitUntil(() => sources.length === count, { what: `client ${count} is answered` });
      }
      const last = await readUntil(platform, clients.at(-1)!, (text) => text.endsWith("\r\n\r\n"));
      assert.match(last, /^HTTP\/1\.1 200/);
      for (const client of clients) client.close();
    });
  });
});
