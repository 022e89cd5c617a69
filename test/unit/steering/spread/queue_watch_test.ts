/** When the accept queues of `--spread least` are looked at, on a clock moved by hand. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SystemCallError } from "../../../../src/platform/error.ts";
import type { Member } from "../../../../src/steering/member.ts";
import { QueueWatch } from "../../../../src/steering/spread/queue_watch.ts";
import { FakeClock } from "../../../support/fake_clock.ts";

/** Members 0 to `count` - 1, their queues, and what the watch says of them. */
class World {
  readonly clock = new FakeClock();
  readonly queues: number[];
  readonly armed = new Set<number>();
  looks = 0;
  avoided: number[] = [];
  readonly members: Member[];
  readonly watch: QueueWatch;

  constructor(count = 4) {
    this.queues = Array.from({ length: count }, () => 0);
    this.members = this.queues.map((_, id) =>
      ({ id, heldUntilRetired: id, shutDownWatch: { arm: () => this.armed.add(id) } }) as never
    );
    const waitingIn = (id: unknown) => {
      if (id === 0) this.looks++;
      return this.queues[Number(id)]!;
    };
    const spread = { clock: this.clock, waitingIn };
    this.watch = new QueueWatch(spread, () => this.members, (ids) => this.avoided = [...ids]);
    this.watch.update();
  }

  /** A connection comes; the kernel reports it if the member is armed. */
  connect(id: number): void {
    this.queues[id]!++;
    this.report(id);
  }

  report(id: number): void {
    if (this.armed.delete(id)) this.watch.onWaiting(this.members[id]!);
  }
}

test("without clients nothing is looked at, and no timer is set", async () => {
  const world = new World();
  await world.clock.advance(60_000);
  assert.equal(world.looks, 0);
  assert.equal(world.clock.pending, 0);
  assert.deepEqual([...world.armed], [0, 1, 2, 3]);
});

test("a connection that is accepted at once costs one look", async () => {
  const world = new World();
  world.connect(2);
  world.queues[2] = 0;
  await world.clock.advance(60_000);
  assert.equal(world.looks, 1);
  assert.equal(world.clock.pending, 0);
  assert.equal(world.armed.size, 4);
});

test("a member with a queue is left out until its queue is empty", async () => {
  const world = new World();
  world.connect(2);
  await world.clock.advance(5);
  assert.deepEqual(world.avoided, [2]);
  world.queues[2] = 0;
  world.connect(1);
  world.queues[1] = 0;
  await world.clock.advance(20);
  assert.deepEqual(world.avoided, []);
  assert.equal(world.clock.pending, 0);
});

test("while a server hangs and no client comes, it looks less and less often", async () => {
  const world = new World();
  world.connect(3);
  await world.clock.advance(60_000);
  assert.ok(world.looks < 75, String(world.looks));
  assert.deepEqual(world.avoided, [3]);
  // It hangs no longer: found though nothing reports it.
  world.queues[3] = 0;
  await world.clock.advance(1_000);
  assert.deepEqual(world.avoided, []);
});

test("the next client ends a long pause", async () => {
  const world = new World();
  world.connect(3);
  await world.clock.advance(10_000);
  world.queues[3] = 0;
  world.connect(0);
  world.connect(0);
  await world.clock.advance(5);
  assert.deepEqual(world.avoided, [0]);
});

test("one member has nothing to choose from", () => {
  assert.equal(new World(1).armed.size, 0);
});

test("a queue that cannot be asked counts as empty", async () => {
  const world = new World();
  const gone = new SystemCallError("getsockopt", 9, "a test");
  Object.defineProperty(world.queues, 1, { get: () => raise(gone) });
  world.connect(2);
  await world.clock.advance(5);
  assert.deepEqual(world.avoided, [2]);
});

test("close() leaves no timer", () => {
  const world = new World();
  world.connect(2);
  world.watch.close();
  assert.equal(world.clock.pending, 0);
});

function raise(error: Error): never {
  throw error;
}
