/** When a listener that was closed is given up: with real sockets, and a clock that is moved by hand. */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { ClosedListeners } from "../../../src/handoff/closed_listeners.ts";
import type { ListenerOwner } from "../../../src/handoff/listener_owner.ts";
import { boundSocket } from "../../../src/steering/bound_socket.ts";
import { Listeners } from "../../../src/steering/listeners.ts";
import type { GroupAddress } from "../../../src/steering/member.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { freePort } from "../../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { testPlatform } from "../../support/test_platform.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const EPOCH = 3;
/** Above the limit of the kernel: no process has it. */
const GONE = 2 ** 22 + 1;
const RESPAWN_MS = 1_000;
const SERVING = { replacementOf: null, readyTicks: 1 };

interface World {
  readonly clock: FakeClock;
  readonly closed: ClosedListeners;
  /** Whether the second address is listened at. */
  isKept(): boolean;
}

/** Two addresses; no process has the second one open, which `opener` has opened. @param others that the generation has */
async function withClosed(
  opener: number,
  run: (world: World) => Promise<void>,
  { others = [], start = SERVING }: {
    readonly others?: readonly number[];
    readonly start?: Pick<ListenerOwner, "replacementOf" | "readyTicks">;
  } = {},
): Promise<void> {
  await using platform = await testPlatform();
  const listeners = new Listeners(platform.sockets);
  const clock = new FakeClock();
  const owner = { epoch: EPOCH, worker: 0, processes: () => [process.pid, ...others], ...start };
  const closed = new ClosedListeners(clock, listeners, owner, {
    isOurs: () => false,
    onGivenUp: () => {},
  });
  try {
    const groups = [];
    for (const pid of [process.pid, opener]) {
      const group = listeners.obtain(await loopback());
      const own = { epoch: EPOCH, owner: pid, backlog: 1, late: false };
      groups.push({ group, member: group.takeMember(boundSocket(group), own) });
    }
    listeners.switchTo(EPOCH);
    const [, second] = groups;
    second?.group.markUnheld(second.member);
    await run({ clock, closed, isKept: () => listeners.groups.length === 2 });
  } finally {
    closed.close();
    listeners.close();
  }
}

async function loopback(): Promise<GroupAddress> {
  const port = await freePort();
  const inet = { family: "inet", host: "127.0.0.1", port } as const;
  return { ...inet, scope: 0, v6only: false, boundInterface: 0 };
}

describe("ClosedListeners.look()", () => {
  test(
    "gives up at once what a living process has closed",
    TEST,
    () =>
      withClosed(process.pid, ({ closed, isKept }) => {
        closed.look();
        assert.equal(isKept(), false);
        return Promise.resolve();
      }),
  );

  test(
    "waits for the successor of a worker that has died, and not for long",
    TEST,
    () =>
      withClosed(GONE, async ({ clock, closed, isKept }) => {
        closed.look();
        await clock.advance(RESPAWN_MS - 1);
        closed.look();
        assert.equal(isKept(), true);
        await clock.advance(1);
        assert.equal(isKept(), false);
      }),
  );

  test(
    "waits for a server that tries its port, with clients in its queue, and not for long",
    TEST,
    () => {
      const start = { replacementOf: EPOCH - 1, readyTicks: 0 };
      return withClosed(process.pid, async ({ clock, closed, isKept }) => {
        closed.look();
        await clock.advance(RESPAWN_MS - 1);
        assert.equal(isKept(), true);
        await clock.advance(1);
        assert.equal(isKept(), false);
      }, { start });
    },
  );

  test(
    "the same while it is on its way out, with its descriptors closed",
    TEST,
    () =>
      withClosed(GONE, async ({ clock, closed, isKept }) => {
        closed.look();
        assert.equal(isKept(), true);
        await clock.advance(RESPAWN_MS);
        assert.equal(isKept(), false);
      }, { others: [GONE] }),
  );

  test(
    "leaves everything to the replacement of a generation that has exited",
    TEST,
    () =>
      withClosed(GONE, async ({ clock, closed, isKept }) => {
        closed.look();
        closed.close();
        closed.look();
        await clock.advance(RESPAWN_MS);
        assert.equal(isKept(), true);
      }),
  );
});
