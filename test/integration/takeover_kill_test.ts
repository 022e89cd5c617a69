/** The promise: a takeover survives `kill -9` of either baton at any step. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, type Tally } from "../support/load.ts";
import { alive } from "../support/proc.ts";
import { waitUntil } from "../support/wait_until.ts";
import { alone, answers, lostNothing, Pair, SlowRequest } from "../support/takeover_pair.ts";

const timeout = TEST_TIMEOUT_MS;

/** Only what a killed process had in its hands: nobody was refused, nobody waited in vain. */
function lostOnlyWithTheKilled(tally: Tally, ...batons: Baton[]): void {
  const text = [formatTally(tally), ...batons.map(({ stderr }) => stderr)].join("\n");
  assert.equal(tally.refused + tally.timedOut + tally.unexpected + tally.other, 0, text);
  assert.ok(tally.lost <= 16, text);
}

describe("takeover, with a kill -9", () => {
  test("of the new baton while it starts: nothing is lost", { timeout }, async () => {
    using pair = await Pair.make();
    await using old = await startBaton({ ...pair.server("1"), flags: pair.old });
    await using load = pair.load();
    await using next = await startBaton({
      ...pair.gated("2"),
      flags: pair.new,
      expectFailure: true,
    });
    await waitUntil(() => next.stderr.includes("generation 1 starts"), { what: "it starts" });
    process.kill(next.pid, "SIGKILL");
    await waitUntil(() => old.stderr.includes("takeover failed"), { what: "the old one notices" });
    assert.match(old.stderr, /the new baton ended before it served/);
    assert.equal((await old.reload()).result, "ok");
    lostNothing(await load.stop(), old, next);
  });

  test("of the old baton while the new one starts: who waits is served", { timeout }, async () => {
    using pair = await Pair.make();
    await using old = await startBaton({ ...pair.server("1"), flags: pair.old });
    await using load = pair.load();
    await answers(load, "1");
    await using next = await startBaton({
      ...pair.gated("2"),
      flags: pair.new,
      expectFailure: true,
    });
    await waitUntil(() => next.stderr.includes("generation 1 starts"), { what: "it starts" });
    process.kill(old.pid, "SIGKILL");
    await waitUntil(() => next.stderr.includes("the old baton has ended"), { what: "it notices" });
    writeFileSync(pair.gate, "");
    await answers(load, "2");
    lostOnlyWithTheKilled(await load.stop(), old, next);
    assert.equal((await next.reload()).result, "ok");
  });

  test("of the new baton when it has just taken over: the old one serves again", {
    timeout,
  }, async () => {
    using pair = await Pair.make();
    await using old = await startBaton({ ...pair.server("1"), flags: pair.old });
    await using load = pair.load();
    await answers(load, "1");
    // Keeps the old generation draining for as long as the test needs it.
    using slow = new SlowRequest(pair.port);
    await slow.isSeenBy(old);
    await using next = await startBaton({ ...pair.server("2"), flags: pair.new });
    await answers(load, "2");
    process.kill(next.pid, "SIGKILL");
    await waitUntil(() => old.stderr.includes("generation 0 serves again"), {
      what: "the old one takes back",
    });
    await answers(load, "1");
    assert.match(await slow.finish(), /version=1/, "what drained was not cut");
    assert.equal((await old.reload()).result, "ok");
    // Its names are its own again, also the path of the handoff socket.
    assert.equal((await old.status()).epoch, 1);
    await using last = await startBaton({ ...pair.server("3"), flags: pair.new });
    await alone(last, old);
    lostOnlyWithTheKilled(await load.stop(), old, next, last);
  });

  test("of the old baton while it drains: the new one serves on", { timeout }, async () => {
    using pair = await Pair.make();
    await using old = await startBaton({ ...pair.server("1"), flags: pair.old });
    using slow = new SlowRequest(pair.port);
    await slow.isSeenBy(old);
    await using load = pair.load();
    await using next = await startBaton({ ...pair.server("2"), flags: pair.new });
    await answers(load, "2");
    assert.ok(alive(old.pid), "it still drains");
    process.kill(old.pid, "SIGKILL");
    await alone(next, old);
    assert.equal((await next.reload()).result, "ok");
    lostNothing(await load.stop(), old, next);
  });
});
