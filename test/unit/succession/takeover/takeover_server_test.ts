/** How long the old baton waits for a new one: at each step, and for its generation. On a clock moved by hand. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Fd } from "../../../../src/platform/fd.ts";
import type { Platform } from "../../../../src/platform/platform.ts";
import { LentListeners } from "../../../../src/succession/takeover/lent_listeners.ts";
import { TakeoverServer } from "../../../../src/succession/takeover/takeover_server.ts";
import { Listeners } from "../../../../src/steering/listeners.ts";
import { FakeClock } from "../../../support/fake_clock.ts";
import { TEST_TIMEOUT_MS } from "../../../support/limits.ts";
import { accepted, hello, TakeoverPeer } from "../../../support/takeover_peer.ts";
import { testPlatform } from "../../../support/test_platform.ts";
import { waitUntil } from "../../../support/wait_until.ts";

const STEP_MS = 10_000;
const RESERVE_MS = 10_000;
const HOUR_MS = 3_600_000;

/** A server that accepts every takeover, and what its host was called with. */
function serverOf(platform: Platform, socket: Fd) {
  const calls: string[] = [];
  const server: TakeoverServer = new TakeoverServer(platform, socket, {
    requestTakeover: () => {
      calls.push("request");
      const listeners = new Listeners(platform.sockets, platform.reactor);
      const lent = new LentListeners(platform, listeners, { epoch: 5, backlog: 1 });
      server.accept({ lent, offer: accepted() as never, fds: [] });
    },
    handOver: () => calls.push("hand over"),
    withdraw: (reason) => calls.push(`withdraw: ${reason}`),
    takeBack: () => calls.push("take back"),
    stop: () => calls.push("stop"),
    closed: () => calls.push("closed"),
  });
  return { server, calls };
}

describe("TakeoverServer", () => {
  const table: [what: string, greeting: object | null, timeoutMs: number, says: RegExp][] = [
    ["a peer that never says hello", null, STEP_MS, /silent for too long while saying hello/],
    [
      "a generation that never gets ready",
      hello({ readyTimeoutMs: 5_000 }),
      5_000 + RESERVE_MS,
      /silent for too long while starting its generation/,
    ],
    [
      "one that asks for a day",
      hello({ readyTimeoutMs: 24 * HOUR_MS }),
      HOUR_MS + RESERVE_MS,
      /silent for too long while starting its generation/,
    ],
  ];
  for (const [what, greeting, timeoutMs, says] of table) {
    test(`refuses ${what} after ${timeoutMs} ms`, { timeout: TEST_TIMEOUT_MS }, async () => {
      const clock = new FakeClock();
      await using real = await testPlatform();
      const platform: Platform = Object.assign(real, { clock });
      const [ours, theirs] = platform.sockets.pair();
      using peer = new TakeoverPeer(platform, theirs);
      const { server, calls } = serverOf(platform, ours);
      if (greeting !== null) {
        peer.say(greeting);
        await waitUntil(() => calls.includes("request"), { what: "it has asked" });
        assert.equal((await peer.hear())?.kind, "accepted");
      }
      await clock.advance(timeoutMs - 1);
      assert.equal(server.isClosed, false);
      await clock.advance(1);
      const last = await peer.hear();
      assert.equal(last?.kind, "refused");
      assert.match(String(last?.["reason"]), says);
      const withdrawn = calls.filter((call) => call.startsWith("withdraw"));
      assert.equal(withdrawn.length, greeting === null ? 0 : 1);
      assert.equal(calls.at(-1), "closed");
    });
  }
});
