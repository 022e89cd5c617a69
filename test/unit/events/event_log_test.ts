/** The order of the events, across batons. */
import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { describe, it } from "node:test";
import { draft, type EventRecord } from "../../../src/events/event.ts";
import { EventLog } from "../../../src/events/event_log.ts";
import { REMEMBERED, Ring } from "../../../src/events/ring.ts";
import { RingFile } from "../../../src/events/ring_file.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { tempDir } from "../../support/temp_dir.ts";

const ready = (epoch: number) => draft("generation.ready", `generation ${epoch}`, { epoch });
const epochs = (records: readonly EventRecord[]) => records.map(({ epoch }) => epoch);

function logWith(file: RingFile | null, clock = new FakeClock()): EventLog {
  const onError = (error: unknown) => assert.fail(String(error));
  return new EventLog({ clock, name: "web", file, onError });
}

function record(id: number): EventRecord {
  return { id, time: "", event: "generation.ready", level: "debug", name: "web", message: "" };
}

describe("EventLog", () => {
  it("gives ids that are times, and grow even when the time does not", () => {
    const clock = new FakeClock();
    const log = logWith(null, clock);
    log.begin();
    for (const epoch of [1, 2, 3]) log.publish(ready(epoch));
    const now = clock.wallMs();
    assert.deepEqual(log.since(0).map(({ id }) => id), [now, now + 1, now + 2]);
    assert.deepEqual(epochs(log.since(now + 1)), [3]);
  });

  it("keeps what happens before it has the name, with its time, and continues the order", async () => {
    using dir = tempDir();
    const path = dir.join("web.events");
    const clock = new FakeClock();
    const old = logWith(new RingFile(path), clock);
    old.begin();
    old.publish(ready(0));
    const next = logWith(new RingFile(path), clock);
    next.publish(ready(1));
    const heldAt = new Date(clock.wallMs()).toISOString();
    await clock.advance(1_000);
    old.publish(ready(2));
    const seen: unknown[] = [];
    old.subscribe({ onEvent: ({ epoch }) => seen.push(epoch), onEnd: (why) => seen.push(why) });
    old.handOver();
    old.publish(ready(3));
    assert.equal(next.begin(draft("upgrade.succeeded", "", {})), old.last);
    assert.deepEqual(epochs(next.since(0)), [0, 2, 1, undefined]);
    assert.equal(next.since(0)[2]?.time, heldAt);
    assert.deepEqual(seen, ["handed over"], "the old one says nothing more");
    old.close(false);
    assert.ok(existsSync(path), "the file is the new one's");
    next.close(true);
    assert.ok(!existsSync(path));
  });

  it("shows what the baton before it writes, and misses none of that for those who came early", () => {
    using dir = tempDir();
    const path = dir.join("web.events");
    const old = logWith(new RingFile(path));
    old.begin();
    old.publish(ready(0));
    old.publish(ready(1));
    const next = logWith(new RingFile(path));
    const [all, some, news]: [unknown[], unknown[], unknown[]] = [[], [], []];
    const follow = (seen: unknown[], after: number | null) =>
      next.subscribe({ onEvent: ({ epoch }) => seen.push(epoch), onEnd: () => {} }, after);
    follow(all, 0);
    follow(some, next.since(0)[0]!.id);
    follow(news, null);
    assert.deepEqual([all, some, news], [[0, 1], [1], []]);
    assert.equal(next.last, old.last);
    old.publish(ready(2));
    next.publish(ready(3));
    old.handOver();
    next.begin();
    assert.deepEqual([all, some, news], [[0, 1, 2, 3], [1, 2, 3], [2, 3]]);
  });

  it("leaves no file when another baton continues under another name", () => {
    using dir = tempDir();
    const path = dir.join("web.events");
    const old = logWith(new RingFile(path));
    old.begin();
    old.publish(ready(0));
    old.handOver();
    old.close(true);
    assert.ok(!existsSync(path));
  });

  it("ends for its readers where the file cannot be removed", () => {
    using dir = tempDir();
    // Of a file instead of a directory no one can say what is in it.
    const log = logWith(new RingFile(`${dir.write("file", "")}/web.events`));
    log.begin();
    let end: unknown = null;
    log.subscribe({ onEvent: () => {}, onEnd: (why) => end = why });
    log.close(true);
    assert.equal(end, "ended");
  });

  it("takes the order back from a successor that has failed", () => {
    using dir = tempDir();
    const path = dir.join("web.events");
    const old = logWith(new RingFile(path));
    old.begin();
    old.publish(ready(0));
    old.handOver();
    const next = logWith(new RingFile(path));
    next.begin();
    next.publish(ready(1));
    old.publish(ready(2));
    old.begin();
    old.publish(ready(3));
    assert.deepEqual(epochs(old.since(0)), [0, 1, 3]);
  });

  it("does not let one subscriber keep others from an event", () => {
    const errors: unknown[] = [];
    const clock = new FakeClock();
    const onError = (error: unknown) => errors.push(error);
    const log = new EventLog({ clock, name: "web", file: null, onError });
    const seen: unknown[] = [];
    const onEnd = () => {};
    log.subscribe({ onEvent: () => assert.fail("broken"), onEnd });
    const stop = log.subscribe({ onEvent: ({ epoch }) => seen.push(epoch), onEnd });
    log.begin();
    log.publish(ready(1));
    stop();
    log.publish(ready(2));
    assert.deepEqual(seen, [1]);
    assert.equal(errors.length, 2);
  });
});

describe("RingFile", () => {
  it("is for its owner only, and keeps how far receivers have got", () => {
    using dir = tempDir();
    const path = dir.join("web.events");
    const log = logWith(new RingFile(path));
    log.begin();
    log.publish(ready(0));
    log.mark("webhook", 17);
    log.mark("webhook", 18);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const ring = new RingFile(path).read();
    assert.deepEqual([ring.last, ring.markOf("webhook"), ring.markOf("on-event")], [
      log.last,
      18,
      null,
    ]);
  });

  it("survives a line that a killed baton has not finished", () => {
    using dir = tempDir();
    const path = dir.join("web.events");
    const whole = JSON.stringify(record(5));
    writeFileSync(path, `${whole}\n${JSON.stringify(record(6)).slice(0, 20)}`);
    const file = new RingFile(path);
    const ring = file.read();
    assert.equal(ring.last, 5);
    ring.add(record(7));
    file.append(record(7), ring);
    assert.deepEqual(new RingFile(path).read().since(0).map(({ id }) => id), [5, 7]);
  });

  it("forgets the oldest, in memory and in the file", () => {
    using dir = tempDir();
    const path = dir.join("web.events");
    const file = new RingFile(path);
    const ring = new Ring();
    const count = 10 * REMEMBERED;
    ring.mark({ receiver: "webhook", done: 3 });
    for (let id = 1; id <= count; id++) {
      ring.add(record(id));
      file.append(record(id), ring);
    }
    assert.equal(ring.since(0).length, REMEMBERED);
    const lines = readFileSync(path, "utf8").split("\n").length;
    assert.ok(lines < 6 * REMEMBERED, `${lines} lines`);
    const found = new RingFile(path).read();
    assert.equal(found.markOf("webhook"), 3, "a mark is written again");
    assert.deepEqual(found.since(0), ring.since(0));
  });

  it("does without a directory", () => {
    using dir = tempDir();
    const log = logWith(new RingFile(dir.join("gone/web.events")));
    log.begin();
    log.publish(ready(1));
    assert.deepEqual(epochs(log.since(0)), [1]);
    log.close(true);
  });

  it("is whole again after a disk that was full", () => {
    using dir = tempDir();
    const path = dir.join("web.events");
    let isFull = false;
    const log = logWith(
      new RingFile(path, () => {
        if (!isFull) return;
        // As much as there was room for.
        appendFileSync(path, '{"id":');
        throw new Error("ENOSPC");
      }),
    );
    log.begin();
    log.publish(ready(0));
    isFull = true;
    log.publish(ready(1));
    log.publish(ready(2));
    isFull = false;
    log.publish(ready(3));
    log.mark("webhook", 17);
    const ring = new RingFile(path).read();
    assert.deepEqual([epochs(ring.since(0)), ring.markOf("webhook")], [[0, 1, 2, 3], 17]);
    assert.deepEqual(readdirSync(dir.path), ["web.events"]);
  });
});
