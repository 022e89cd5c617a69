/** When a check is skipped, fails, or times out: a failure before connect(2) or exec is baton's own, and no result. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type CheckRoute, ConnectionCheck } from "../../../src/health/connection_check.ts";
import { ExecCheck } from "../../../src/health/exec_check.ts";
import type { CheckOutcome } from "../../../src/health/monitor.ts";
import { TcpDialogue } from "../../../src/health/tcp_dialogue.ts";
import { SystemCallError } from "../../../src/platform/error.ts";
import { C } from "../../../src/platform/libc/constants.ts";
import type { Platform } from "../../../src/platform/platform.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { Mutex } from "../../../src/steering/mutex.ts";

const PID = 4711;
const TIMEOUT_MS = 2_500;

/** A platform where one step of a check fails and time stands still, and which counts descriptors. */
class World {
  open = 0;
  readonly clock = new FakeClock();
  readonly signals: [pid: number, signal: number][] = [];

  constructor(readonly failing: string) {}

  step<T>(name: string, value: T): T {
    const errno = name === "connect" ? C.ECONNREFUSED : C.EADDRINUSE;
    if (name === this.failing) throw new SystemCallError(name, errno, "it");
    return value;
  }

  opened(name: string) {
    const close = () => void this.open--;
    const fd = this.step(name, { close, [Symbol.dispose]: close });
    this.open++;
    return fd;
  }

  get platform(): Platform {
    const nothing = () => {};
    return {
      clock: this.clock,
      descriptors: {
        setNonblocking: nothing,
        pipe: () => {
          const read = this.opened("pipe");
          return { read, write: this.opened("pipe") };
        },
        open: () => this.opened("open"),
      },
      reactor: { watch: () => this.step("watch", { cancel: nothing, arm: nothing }) },
      processes: {
        spawn: () => this.step("spawn", PID),
        signal: (pid: number, signal: number) => this.signals.push([pid, signal]),
      },
    } as unknown as Platform;
  }

  get route(): CheckRoute {
    return {
      text: "127.0.0.1:8080",
      mutex: new Mutex(),
      stream: () => this.opened("stream") as unknown as ReturnType<CheckRoute["stream"]>,
      aim: () => this.step("lead", undefined),
      connect: () => this.step("connect", undefined),
      release: () => {},
    };
  }
}

/** Starts a check in that world. */
const BEGIN = {
  network: (world: World, onResult: (outcome: CheckOutcome) => void) =>
    new ConnectionCheck(world.platform, {
      ...{ route: world.route, timeoutMs: TIMEOUT_MS, onResult },
      dialogue: new TcpDialogue({ send: new Uint8Array(0), receive: null }),
    }),
  exec: (world: World, onResult: (outcome: CheckOutcome) => void) =>
    new ExecCheck(world.platform, {
      ...{ command: "true", directory: "/", env: {}, timeoutMs: TIMEOUT_MS, onResult },
      onStarted: () => {},
    }),
} as const;

type Case = readonly [kind: keyof typeof BEGIN, failing: string, outcome: CheckOutcome];
const CASES: readonly Case[] = [
  ...["stream", "lead", "watch"].map((step) =>
    ["network", step, { skippedReason: `Cannot ${step} it: EADDRINUSE` }] as const
  ),
  ["network", "connect", { passed: false, counts: true, text: "refused" }],
  ...["pipe", "open", "watch", "spawn"].map((step) =>
    ["exec", step, { skippedReason: `Cannot ${step} it: EADDRINUSE` }] as const
  ),
];

describe("a check that fails before its end", () => {
  for (const [kind, failing, expected] of CASES) {
    const meaning = "skippedReason" in expected ? "is skipped" : "fails";
    test(`${kind}, at ${failing}: ${meaning}`, async () => {
      const world = new World(failing);
      const outcomes: CheckOutcome[] = [];
      BEGIN[kind](world, (outcome) => outcomes.push(outcome));
      assert.deepEqual(outcomes, [], "never before the caller has the check");
      await world.clock.advance(0);
      assert.deepEqual(outcomes, [expected]);
      assert.equal(world.open, 0, "descriptors are left open");
      assert.equal(world.clock.pending, 0);
    });
  }
});

describe("a check without an answer", () => {
  const cases: [keyof typeof BEGIN, string, [number, number][]][] = [
    ["network", "no connection within 2.5 s", []],
    ["exec", "it still ran after 2.5 s", [[-PID, C.SIGKILL]]],
  ];
  for (const [kind, text, signals] of cases) {
    test(`${kind}: fails at its timeout, and not before`, async () => {
      const world = new World("nothing");
      const outcomes: CheckOutcome[] = [];
      BEGIN[kind](world, (outcome) => outcomes.push(outcome));
      await world.clock.advance(TIMEOUT_MS - 1);
      assert.deepEqual(outcomes, []);
      await world.clock.advance(1);
      assert.deepEqual(outcomes, [{ passed: false, counts: true, text }]);
      assert.deepEqual(world.signals, signals);
      assert.equal(world.open, 0);
      assert.equal(world.clock.pending, 0);
    });

    test(`${kind}: reports nothing after cancel()`, async () => {
      const world = new World("nothing");
      const outcomes: CheckOutcome[] = [];
      const check = BEGIN[kind](world, (outcome) => outcomes.push(outcome));
      check.cancel();
      await world.clock.advance(TIMEOUT_MS);
      assert.deepEqual(outcomes, []);
      assert.equal(world.open, 0);
    });
  }
});
