/** When the last row of the terminal of `baton run` is taken, and given back. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TerminalProgress } from "../../../../src/cli/service/parts/progress.ts";
import type { Generation } from "../../../../src/lifecycle/generation.ts";
import { newGeneration } from "../../../../src/lifecycle/generation.ts";
import { INITIAL_STATE, type ServiceState } from "../../../../src/lifecycle/state.ts";
import type { Platform } from "../../../../src/platform/platform.ts";
import { processStat } from "../../../../src/platform/process/proc.ts";
import type { Summary } from "../../../../src/report/summary.ts";
import { FakeClock } from "../../../support/fake_clock.ts";

const OWN_GROUP = processStat("self")?.group ?? 0;

function atTerminal() {
  const clock = new FakeClock();
  const world = {
    size: { rows: 24, columns: 80 } as { rows: number; columns: number } | null,
    foreground: OWN_GROUP,
    isStopped: false,
    state: "draining" as Generation["state"],
    written: [] as string[],
    suspend: () => {},
  };
  const platform = {
    clock,
    libc: {},
    terminals: { sizeOf: () => world.size, foreground: () => world.foreground },
    runtime: {
      env: () => ({ TERM: "xterm", NO_COLOR: "1" }),
      onSignal: (_: string, handler: () => void) => {
        world.suspend = handler;
        return () => {};
      },
    },
    descriptors: {
      isWritable: () => !world.isStopped,
      write: (_: unknown, bytes: Uint8Array) => world.written.push(new TextDecoder().decode(bytes)),
    },
  } as unknown as Platform;
  const summary = () =>
    ({
      isQueued: false,
      trial: null,
      generations: [{ epoch: 0, state: world.state, stateMs: 2_000, leftMs: 18_000, drain: null }],
    }) as unknown as Summary;
  const progress = new TerminalProgress(platform, summary);
  const step = (state: Generation["state"], others: Partial<ServiceState> = {}) => {
    world.state = state;
    const generations = [newGeneration(0, { state })];
    progress.onStep({ after: { ...INITIAL_STATE, generations, ...others } });
  };
  return { clock, world, progress, step };
}

const TEXT = "generation 0: draining 2 s, 18 s left";
const shownIn = (row: number) => `\x1b7\x1b[${row};1H${TEXT}\x1b[K\x1b8`;
const givenBack = (row: number) => `\x1b7\x1b[r\x1b[${row};1H\x1b[2K\x1b8`;
const FIRST = `\x1bD\x1b[1A\x1b7\x1b[1;23r\x1b8${shownIn(24)}`;

describe("TerminalProgress", () => {
  it("shows what takes longer than a second, and then nothing any more", async () => {
    const { clock, world, step } = atTerminal();
    step("draining");
    await clock.advance(999);
    assert.deepEqual(world.written, []);
    await clock.advance(1_001);
    assert.deepEqual(world.written.splice(0), [FIRST, shownIn(24)]);
    world.state = "serving";
    await clock.advance(60_000);
    assert.deepEqual(world.written, [givenBack(24)]);
  });

  it("sets no timer while the service is steady", async () => {
    const { clock, world, step } = atTerminal();
    step("serving");
    world.state = "draining";
    await clock.advance(60_000);
    assert.deepEqual(world.written, []);
  });

  type World = ReturnType<typeof atTerminal>;
  const hides: readonly [what: string, change: (world: World) => void][] = [
    ["the service has ended", ({ step }) => step("draining", { finished: true })],
    ["another program may follow", ({ step }) => step("draining", { upgrade: [1] })],
    ["the end of baton", ({ progress }) => progress.close()],
    ["Ctrl-Z", ({ world }) => world.suspend()],
  ];
  for (const [what, change] of hides) {
    it(`${what}: the row is given back at once`, async () => {
      const all = atTerminal();
      all.step("draining");
      await all.clock.advance(1_000);
      change(all);
      assert.deepEqual(all.world.written, [FIRST, givenBack(24)]);
    });
  }

  it("follows the size of the terminal", async () => {
    const { clock, world, step } = atTerminal();
    step("draining");
    await clock.advance(1_000);
    world.size = { rows: 10, columns: 20 };
    await clock.advance(1_000);
    assert.deepEqual(world.written.slice(1), [
      givenBack(24),
      "\x1bD\x1b[1A\x1b7\x1b[1;9r\x1b8\x1b7\x1b[10;1Hgeneration 0: drain\x1b[K\x1b8",
    ]);
  });

  const never: readonly [what: string, change: (world: World["world"]) => void][] = [
    ["no size", (world) => world.size = null],
    ["too few rows", (world) => world.size = { rows: 4, columns: 80 }],
    ["a server in the foreground", (world) => world.foreground = OWN_GROUP + 1],
    ["output that is stopped (Ctrl-S)", (world) => world.isStopped = true],
  ];
  for (const [what, change] of never) {
    it(`with ${what} writes nothing`, async () => {
      const { clock, world, step } = atTerminal();
      change(world);
      step("draining");
      await clock.advance(3_000);
      assert.deepEqual(world.written, []);
    });
  }
});
