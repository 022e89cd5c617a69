/** The readers of the events. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { draft } from "../../../src/events/event.ts";
import { EventLog } from "../../../src/events/event_log.ts";
import { EventStreams } from "../../../src/events/event_streams.ts";
import { FakeClock } from "../../support/fake_clock.ts";

const MOST_READERS = 100;
const HEARTBEAT_MS = 15_000;
/** More than is kept for a reader. */
const TOO_MANY = 1_000;

function streamsWith() {
  const clock = new FakeClock();
  const dropped: number[] = [];
  const onError = (error: unknown) => assert.fail(String(error));
  const log = new EventLog({ clock, name: "web", file: null, onError });
  log.begin();
  const streams = new EventStreams({ log, clock, onDropped: (total) => dropped.push(total) });
  const publish = (
    reason: string,
    event: "generation.failed" | "reload.refused" = "reload.refused",
  ) => log.publish(draft(event, "", { reason }));
  return { clock, log, streams, dropped, publish };
}

function readerOf(stream: ReadableStream<Uint8Array> | null) {
  assert.ok(stream !== null);
  const reader = stream.getReader();
  const next = async () => {
    const { done, value } = await reader.read();
    return done ? "the end" : new TextDecoder().decode(value);
  };
  return { next, leave: () => reader.cancel() };
}

const reasons = (text: string) => [...text.matchAll(/"reason":"(\w+)"/g)].map(([, word]) => word);

describe("EventStreams", () => {
  it("sends what is kept after an event, then what happens, with ids to resume from", async () => {
    const { log, streams, publish } = streamsWith();
    for (const reason of ["a", "b", "c"]) publish(reason);
    const [first] = log.since(0);
    const { next, leave } = readerOf(streams.open(first!.id, [], "control"));
    const text = await next();
    assert.deepEqual(reasons(text), ["b", "c"]);
    const second = log.since(0)[1];
    assert.ok(text.includes(`\nid: ${second!.id}\ndata: ${JSON.stringify(second)}\n\n`), text);
    publish("d");
    assert.deepEqual(reasons(await next()), ["d"]);
    await leave();
  });

  it("sends only what happens from now on, and what was asked for", async () => {
    const { streams, publish } = streamsWith();
    publish("before");
    const { next, leave } = readerOf(streams.open(null, ["generation.*"], "control"));
    assert.deepEqual(reasons(await next()), []);
    publish("other");
    publish("wanted", "generation.failed");
    assert.deepEqual(reasons(await next()), ["wanted"]);
    await leave();
  });

  it("is plain ASCII in lines of its own, for clients that read it in other ways", async () => {
    const { log, streams, publish } = streamsWith();
    const reason = "\u00e9 \u0085 \u2028 \ud83d\ude00 \n";
    publish(reason);
    const { next, leave } = readerOf(streams.open(0, [], "control"));
    const lines = (await next()).split("\n");
    assert.match(lines.join(""), /^[\x20-\x7e]*$/);
    const data = lines.filter((line) => line.startsWith("data: "));
    assert.deepEqual(data.map((line) => JSON.parse(line.slice(6))), log.since(0));
    assert.equal(lines.filter((line) => line === "").length, 2, "one event");
    await leave();
  });

  it("shows that it lives, and has no timer without readers", async () => {
    const { clock, streams } = streamsWith();
    assert.equal(clock.pending, 0);
    const { next, leave } = readerOf(streams.open(null, [], "control"));
    await next();
    const alive = next();
    await clock.advance(HEARTBEAT_MS);
    assert.equal(await alive, ": alive\n");
    await leave();
    assert.equal(clock.pending, 0);
  });

  it("drops a reader that does not read, counts it, and keeps nothing for it", async () => {
    const { streams, dropped, publish, clock } = streamsWith();
    const { next } = readerOf(streams.open(null, [], "control"));
    for (let i = 0; i < TOO_MANY; i++) publish("x".repeat(2_000));
    assert.deepEqual(dropped, [1]);
    await assert.rejects(next(), /too slow/, "its connection is closed at once");
    assert.equal(clock.pending, 0, "it is forgotten");
  });

  it("ends with the service, after the last event", async () => {
    const { log, streams, publish } = streamsWith();
    const { next } = readerOf(streams.open(null, [], "control"));
    publish("last");
    log.close(true);
    assert.deepEqual(reasons(await next()), ["last"]);
    assert.equal(await next(), "the end");
  });

  it("ends at once for a reader that comes too late, after what is kept", async () => {
    const { log, streams, publish, clock } = streamsWith();
    publish("last");
    log.close(true);
    const { next } = readerOf(streams.open(0, [], "control"));
    assert.deepEqual(reasons(await next()), ["last"]);
    assert.equal(await next(), "the end");
    assert.equal(clock.pending, 0);
  });

  it("has a limit of readers at each door, and room for another when one has left", async () => {
    const { streams } = streamsWith();
    const readers = Array.from(
      { length: MOST_READERS },
      () => readerOf(streams.open(null, [], "control")),
    );
    assert.equal(streams.open(null, [], "control"), null);
    assert.ok(streams.open(null, [], "admin") !== null);
    await readers[0]!.leave();
    assert.ok(streams.open(null, [], "control") !== null);
  });
});
