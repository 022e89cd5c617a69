/** The promise: many who watch cost no request: scrapes ten times a second, and a hundred readers of events. */
import assert from "node:assert/strict";
import { type IncomingMessage, request } from "node:http";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { server } from "../support/controlled.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { IS_FULL } from "../support/repeats.ts";
import { waitUntil } from "../support/wait_until.ts";

const RELOADS = 10;
const READERS = 100;
const SCRAPE_PAUSE_MS = 100;
const CPU = /^process_cpu_seconds_total (\S+)$/m;

/** Reads events until it is closed. */
class Reader {
  succeeded = 0;
  isOpen = false;
  #response: IncomingMessage | null = null;

  constructor(port: number) {
    const sent = request({ port, host: "127.0.0.1", path: "/v1/events" }, (response) => {
      this.#response = response;
      this.isOpen = response.statusCode === 200;
      response.setEncoding("utf8");
      response.on("data", (text: string) => {
        this.succeeded += text.split('"reload.succeeded"').length - 1;
      });
      response.on("close", () => this.isOpen = false).on("error", () => {});
    });
    sent.on("error", () => {}).end();
  }

  close(): void {
    this.#response?.destroy();
  }
}

async function cpuOf(port: number): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(CPU.exec(text)?.[1]);
}

/** @returns seconds of CPU that baton has used meanwhile */
async function reloads(baton: Baton, port: number, admin: number): Promise<number> {
  const before = await cpuOf(admin);
  const load = new Load({ port, clients: 4 }).start();
  for (let i = 0; i < RELOADS; i++) assert.equal((await baton.reload()).result, "ok");
  await baton.settled();
  const tally = await load.stop();
  assert.equal(tally.lost, 0, formatTally(tally));
  return await cpuOf(admin) - before;
}

describe("a service that many watch", () => {
  test(
    `loses no request in ${RELOADS} reloads under load`,
    { timeout: TEST_TIMEOUT_MS, skip: !IS_FULL && "make test-all has it" },
    async () => {
      const [port, admin] = [await freePort(), await freePort()];
      await using baton = await startBaton({
        ...server(port),
        flags: ["--admin", `127.0.0.1:${admin}`],
      });
      const alone = await reloads(baton, port, admin);
      const readers: Reader[] = [];
      try {
        while (readers.length < READERS) {
          const reader = new Reader(admin);
          readers.push(reader);
          await waitUntil(() => reader.isOpen, { what: `reader ${readers.length} reads events` });
        }
        const scrapes = new Load({
          port: admin,
          path: "/metrics",
          clients: 1,
          thinkTimeMs: SCRAPE_PAUSE_MS,
        }).start();
        const watched = await reloads(baton, port, admin);
        const tally = await scrapes.stop();
        assert.equal(tally.lost, 0, formatTally(tally));
        await waitUntil(() => readers.every(({ succeeded }) => succeeded >= RELOADS), {
          what: "each reader has seen each reload",
        });
        assert.ok(readers.every(({ isOpen, succeeded }) => isOpen && succeeded === RELOADS));
        process.stderr.write(
          `  ${RELOADS} reloads: ${alone.toFixed(2)} s of CPU alone, ${
            watched.toFixed(2)
          } s with ` +
            `${READERS} readers of events and ${tally.ok} scrapes\n`,
        );
      } finally {
        for (const reader of readers) reader.close();
      }
    },
  );
});
