/** How long waits may take, and that a shutdown which has begun with another wait takes no longer for it. */
import { FakeClock } from "../../support/fake_clock.ts";
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Config } from "../../../src/config/config.ts";
import { presetForCommand, PRESETS } from "../../../src/config/presets.ts";
import type { SignalName } from "../../../src/config/values/signals.ts";
import { StopPolicy } from "../../../src/generation/stop_policy.ts";
import { Timers } from "../../../src/generation/timers.ts";
import { Deadlines } from "../../../src/generation/deadlines.ts";

const CONFIG = {
  readyTimeoutMs: 60_000,
  drainTimeMs: 8_000,
  stopDrainTimeMs: null,
  stopFirstDrainMs: 3_000,
  stopTimeMs: 2_000,
};

/** A generation of a server that finishes its requests after its signal. */
function generation() {
  const said: string[] = [];
  const timers = {
    arm: (timer: string, delayMs: number) => said.push(`arm ${timer} ${delayMs}`),
    disarm: () => {},
    limit: (timer: string, delayMs: number) => said.push(`limit ${timer} ${delayMs}`),
  };
  return { epoch: 0, timers, said, stopTimeMs: (drainMs: number) => drainMs + CONFIG.stopTimeMs };
}

describe("Deadlines", () => {
  const handle = generation();
  const deadlines = new Deadlines({ config: CONFIG }, new Map([[0, handle]]));

  it("are as configured", () => {
    for (const timer of ["ready", "drain", "stop", "health"] as const) deadlines.arm(timer, handle);
    assert.deepEqual(handle.said.splice(0), [
      ...["arm ready 60000", "arm drain 8000", "arm stop 10000", "arm health 10000"],
    ]);
  });

  it("are shorter by what a shutdown has waited for before, also the running ones", () => {
    deadlines.shortenDrains(3_000);
    for (const timer of ["drain", "stop"] as const) deadlines.arm(timer, handle);
    assert.deepEqual(handle.said.splice(0), [
      ...["limit drain 5000", "limit stop 7000", "arm drain 5000", "arm stop 7000"],
    ]);
  });

  it("are never less than nothing", () => {
    deadlines.shortenDrains(9_000);
    assert.deepEqual(handle.said.splice(0), ["limit drain 0", "limit stop 2000"]);
  });
});

describe("Deadlines, when the service stops", () => {
  const rows: readonly (readonly [stopDrainTimeMs: number | null, said: string[]])[] = [
    [null, ["arm drain 8000"]],
    [9_000, ["arm drain 8000"]],
    [1_000, ["limit drain 1000", "limit stop 3000", "arm drain 1000"]],
  ];
  for (const [stopDrainTimeMs, said] of rows) {
    it(`are as --stop-drain-time says: ${stopDrainTimeMs}`, () => {
      const handle = generation();
      const config = { ...CONFIG, stopDrainTimeMs };
      const deadlines = new Deadlines({ config }, new Map([[0, handle]]));
      deadlines.beginStop();
      deadlines.arm("drain", handle);
      assert.deepEqual(handle.said, said);
    });
  }
});

describe("StopPolicy.stopTimeMs()", () => {
  const table: [string, graceful: boolean, restMs: number, expected: number][] = [
    ["is --stop-time for a server whose requests the signal cuts", false, 5_000, 2_000],
    ["is what is left of the drain time more for one that finishes them", true, 5_000, 7_000],
    ["and never less than --stop-time", true, -1, 2_000],
  ];
  for (const [name, graceful, restMs, expected] of table) {
    it(name, () => {
      const { program } = PRESETS.find((each) => each.graceful === graceful)!;
      const preset = presetForCommand([program]);
      const config = { ...CONFIG, drain: "auto", stopSignal: null } as unknown as Config;
      assert.equal(new StopPolicy(config, preset, () => null).stopTimeMs(restMs), expected);
    });
  }
});

describe("StopPolicy.leaderSignal", () => {
  const [TERM, QUIT, INT] = [15, 3, 2];
  /** What is run, name of its leading process, --stop-signal, signal of the leader, of the server, graceful. */
  const table: [string, string | null, SignalName | null, number, number, boolean][] = [
    ["nginx", "nginx", null, QUIT, QUIT, true],
    ["sh -c exec_nginx", "nginx", null, QUIT, QUIT, true],
    // bash becomes the last command by itself, dash does not.
    ["bash -c nginx", "nginx", null, QUIT, QUIT, true],
    ["sh -c nginx", "sh", null, TERM, QUIT, false],
    ["sh -c nginx", "sh", "SIGINT", INT, INT, false],
    ["sh -c nginx", null, null, QUIT, QUIT, true],
    ["timeout 9 nginx", "timeout", null, QUIT, QUIT, true],
    ["timeout 9 apache2", "timeout", null, TERM, TERM, false],
    ["flock /x nginx", "flock", null, TERM, TERM, false],
  ];
  for (const [line, leader, stopSignal, forLeader, forServer, graceful] of table) {
    it(`of "${line}" led by ${leader ?? "an unknown process"} (${stopSignal ?? "no option"})`, () => {
      const words = line.split(" ").map((word) => word.replace("_", " "));
      const config = { ...CONFIG, drain: "auto", stopSignal } as unknown as Config;
      const policy = new StopPolicy(config, presetForCommand(words), () => leader);
      assert.deepEqual(
        [policy.leaderSignal, policy.stopSignal, policy.finishesRequests],
        [forLeader, forServer, graceful],
      );
    });
  }

  it("is still the shell's when that has exited", () => {
    let name: string | null = "sh";
    const config = { ...CONFIG, drain: "auto", stopSignal: null } as unknown as Config;
    const policy = new StopPolicy(config, presetForCommand(["sh", "-c", "nginx"]), () => name);
    assert.equal(policy.leaderSignal, TERM);
    name = null;
    assert.equal(policy.leaderSignal, TERM);
  });
});

describe("Timers.limit()", () => {
  it("brings forward what would come later, and nothing else", async () => {
    const fired: string[] = [];
    const clock = new FakeClock();
    const timers = new Timers<"late" | "soon" | "none">(clock, (name) => fired.push(name));
    timers.arm("late", 60_000);
    timers.arm("soon", 1);
    for (const name of ["late", "soon", "none"] as const) timers.limit(name, 20);
    await clock.advance(19);
    assert.deepEqual(fired, ["soon"]);
    await clock.advance(1);
    assert.deepEqual(fired, ["soon", "late"]);
    timers.arm("soon", 1);
    timers.limit("soon", 60_000);
    await clock.advance(1);
    assert.deepEqual(fired, ["soon", "late", "soon"]);
    timers.clear();
  });
});
