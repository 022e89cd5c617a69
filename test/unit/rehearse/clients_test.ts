/** What clients of a rehearsal learn of a server, and what they lose. */
import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { describe, test } from "node:test";
import { Clients, learnManner, type Manner } from "../../../src/rehearse/clients.ts";
import { KeptClients } from "../../../src/rehearse/kept_clients.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { testPlatform } from "../../support/test_platform.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const ANSWER_MS = 5_000;
/** Where none comes. */
const SILENCE_MS = 100;
const KEEPS = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const CLOSES = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";

type TestPlatform = Awaited<ReturnType<typeof testPlatform>>;

/** Runs `use` beside a server that does `onData` for each piece that it reads. */
async function withServer(
  onData: (socket: Socket, text: string) => void,
  use: (platform: TestPlatform, address: Manner["address"]) => Promise<void>,
): Promise<void> {
  await using platform = await testPlatform();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("data", (data) => onData(socket, String(data))).on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  try {
    await use(platform, { family: "inet", host: "127.0.0.1", port, scope: 0 });
  } finally {
    sockets.forEach((socket) => socket.destroy());
    await new Promise((resolve) => server.close(resolve));
  }
}

describe("learnManner()", () => {
  const cases: readonly [string, (socket: Socket, text: string) => void, Partial<Manner>][] = [
    ["HTTP that keeps connections", (socket, text) => {
      if (/^Connection: close/m.test(text)) socket.end(CLOSES);
      else socket.write(KEEPS);
    }, { says: "request", end: "answered", keeps: true }],
    ["HTTP that does not", (socket) => socket.end(CLOSES), {
      says: "request",
      end: "answered",
      keeps: false,
    }],
    // pm2's pub.sock has news for all who listen.
    ["what is heard, and goes on", (socket) => socket.write("news"), {
      says: "nothing",
      end: "silent",
      keeps: false,
    }],
    ["nothing at all", () => {}, { says: "nothing", end: "silent", keeps: false }],
    ["an end", (socket) => socket.end(), { says: "request", end: "closed", keeps: false }],
  ];
  for (const [what, onData, expected] of cases) {
    test(what, TEST, () =>
      withServer(onData, async (platform, address) => {
        const limitMs = expected.says === "nothing" ? SILENCE_MS : ANSWER_MS;
        assert.deepEqual(await learnManner(platform, address, limitMs), { ...expected, address });
      }));
  }
});

describe("clients", () => {
  test(
    "of an address with news lose nothing by it",
    TEST,
    () =>
      withServer((socket) => socket.write("news"), async (platform, address) => {
        const manner = { address, says: "nothing", end: "silent", keeps: false } as const;
        const { lost } = await new Clients(platform, [manner], ANSWER_MS).stop();
        assert.deepEqual(lost, []);
      }),
  );

  test(
    "that keep their connections lose what is not answered, and nothing else",
    TEST,
    async () => {
      let requests = 0;
      const answers = [KEEPS, KEEPS, CLOSES, KEEPS.slice(0, -1), ""];
      const { promise, resolve } = Promise.withResolvers<void>();
      await withServer((socket) => {
        const answer = answers[requests++ % answers.length]!;
        if (answer === KEEPS) socket.write(answer);
        else socket.end(answer);
        if (requests === 40 * answers.length) resolve();
      }, async (platform, address) => {
        const clients = new KeptClients(platform, address);
        await promise;
        const counts = await clients.stop(ANSWER_MS);
        // The last two of five: one is short, one is missing.
        assert.ok(Math.abs(counts.lost - counts.requests * 2 / 5) <= 2, JSON.stringify(counts));
      });
    },
  );
});
