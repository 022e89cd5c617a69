/** Requests that wait for a report: each is answered once, with the time that it has waited. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PendingRequests } from "../../../src/report/pending_requests.ts";
import { FakeClock } from "../../support/fake_clock.ts";

describe("PendingRequests", () => {
  test("answers each with the time since it was opened", async () => {
    const clock = new FakeClock();
    const requests = new PendingRequests<{ durationMs: number; text: string }>(clock);
    const first = requests.open();
    await clock.advance(300);
    const second = requests.open();
    await clock.advance(20);
    assert.equal(requests.longestWaitMs([second.request]), 20);
    assert.equal(requests.longestWaitMs([second.request, first.request]), 320);
    requests.answer([first.request, second.request], { text: "ok" });
    assert.deepEqual(await first.answer, { text: "ok", durationMs: 320 });
    assert.deepEqual(await second.answer, { text: "ok", durationMs: 20 });
  });

  test("a second answer, and one to an unknown request, change nothing", async () => {
    const requests = new PendingRequests<{ durationMs: number; text: string }>(new FakeClock());
    const { request, answer } = requests.open();
    requests.answer([request], { text: "first" });
    requests.answer([request, request + 1_000], { text: "second" });
    assert.equal((await answer).text, "first");
    assert.equal(requests.longestWaitMs([request]), null);
  });

  test("numbers are unique across kinds of requests", () => {
    const [one, other] = [
      new PendingRequests(new FakeClock()),
      new PendingRequests(new FakeClock()),
    ];
    assert.notEqual(one.open().request, other.open().request);
  });
});
