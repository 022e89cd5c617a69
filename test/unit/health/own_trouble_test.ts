/** Where a check fails before it has asked anybody, that is baton's own trouble, and no result. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type CheckRoute, ConnectionCheck } from "../../../src/health/connection_check.ts";
import { ExecCheck } from "../../../src/health/exec_check.ts";
import type { CheckOutcome } from "../../../src/health/monitor.ts";
import { TcpDialogue } from "../../../src/health/tcp_dialogue.ts";
import { SystemCallError } from "../../../src/platform/error.ts";
import { C } from "../../../src/platform/libc/constants.ts";
import type { Platform } from "../../../src/platform/platform.ts";
import { Mutex } from "../../../src/steering/mutex.ts";

const TARGET = { family: "inet", host: "127.0.0.1", port: 8080, scope: 0 } as const;

/** A platform where one step of a check fails, and which counts descriptors. */
class World {
  open = 0;

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
    const libc = {
      ...{ retry: (call: () => number) => call(), errno: 0 },
      check: (result: number) => result,
      c: { connect: () => this.step("connect", 0) },
    };
    return {
      sockets: {
        ...{ libc, bindInet: () => this.step("bind", undefined) },
        localAddress: () => ({ ...TARGET, port: 40000 }),
      },
      descriptors: {
        setNonblocking: nothing,
        pipe: () => {
          const read = this.opened("pipe");
          return { read, write: this.opened("pipe") };
        },
        open: () => this.opened("open"),
      },
      reactor: { watch: () => this.step("watch", { cancel: nothing }) },
      processes: { spawn: () => this.step("spawn", 1), signal: nothing },
    } as unknown as Platform;
  }

  get way(): CheckRoute {
    const [source, target] = [{ ...TARGET, port: 0 }, TARGET];
    const lead = (port: number | null) => port !== null && this.step("lead", undefined);
    return {
      ...{ source, target, mutex: new Mutex() },
      stream: () => this.opened("stream") as unknown as ReturnType<CheckRoute["stream"]>,
      steerPort: (port) => void lead(port),
    };
  }
}

/** What comes of a check in that world. */
const BEGIN = {
  network: (world: World, onResult: (outcome: CheckOutcome) => void) =>
    new ConnectionCheck(world.platform, {
      ...{ route: world.way, timeoutMs: 60_000, onResult },
      dialogue: new TcpDialogue({ send: new Uint8Array(0), receive: null }),
    }),
  exec: (world: World, onResult: (outcome: CheckOutcome) => void) =>
    new ExecCheck(world.platform, {
      ...{ command: "true", directory: "/", env: {}, timeoutMs: 60_000, onResult },
      onStarted: () => {},
    }),
} as const;

type Case = readonly [kind: keyof typeof BEGIN, failing: string, outcome: CheckOutcome];
const CASES: readonly Case[] = [
  ...["stream", "bind", "lead", "watch"].map((step) =>
    ["network", step, { skippedReason: `Cannot ${step} it: EADDRINUSE` }] as const
  ),
  ["network", "connect", { passed: false, counts: true, text: "refused" }],
  ...["pipe", "open", "watch", "spawn"].map((step) =>
    ["exec", step, { skippedReason: `Cannot ${step} it: EADDRINUSE` }] as const
  ),
];

describe("a check that fails before its end", () => {
  for (const [kind, failing, expected] of CASES) {
    const meaning = "skippedReason" in expected
      ? "has asked nobody"
      : "is a failure of the server's";
    test(`${kind}, at ${failing}: ${meaning}`, async () => {
      const world = new World(failing);
      const outcome = await new Promise<CheckOutcome>((resolve) => {
        BEGIN[kind](world, resolve);
      });
      assert.deepEqual(outcome, expected);
      assert.equal(world.open, 0, "descriptors are left open");
    });
  }
});
