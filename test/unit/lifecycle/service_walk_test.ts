/**
 * A random walk through the service's life: 100,000 events, many services one after the other. What may
 * happen is drawn by lot; what must hold after each event is in test/support/service_world.ts.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import type { GenerationState } from "../../../src/lifecycle/generation.ts";
import { ACCEPTS } from "../../../src/lifecycle/service.ts";
import { AT_ONCE, type Rollout } from "../../../src/lifecycle/rollout.ts";
import {
  inheritedState,
  INITIAL_STATE,
  type ServicePolicy,
  type ServiceState,
} from "../../../src/lifecycle/state.ts";
import type { GenerationTimer, ServiceEvent } from "../../../src/lifecycle/vocabulary.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { Random, testSeed } from "../../support/random.ts";
import { parseEvent, Story } from "../../support/service_story.ts";
import { readDrawing } from "../../support/state_drawing.ts";
import { ServiceWorld } from "../../support/service_world.ts";

const EVENTS = 100_000;
const EVENTS_SHOWN = 40;

function randomPolicy(random: Random): ServicePolicy {
  return {
    maxGenerations: 2 + random.below(4),
    onCrash: random.chance(0.8) ? "restart" : "exit",
    membersAtStart: random.chance(0.5),
    order: random.chance(0.3) ? "stop-first" : "start-first",
    rollout: randomRollout(random),
    rollsBackUnhealthy: random.chance(0.8),
    workers: random.chance(0.5) ? 1 : 1 + random.below(4),
    backoff: { delayMs: 10, maxDelayMs: 40, limit: random.below(8) },
  };
}

function randomRollout(random: Random): Rollout {
  if (random.chance(0.4)) return AT_ONCE;
  return {
    canary: random.chance(0.3) ? random.below(101) : null,
    rampMs: random.chance(0.3) ? 1_000 : 0,
    bakeMs: random.chance(0.5) ? 1_000 : 0,
    hold: random.chance(0.2),
    rolling: random.chance(0.3),
  };
}

/** About a generation on trial, or about none. */
function trialNews(world: ServiceWorld, random: Random): void {
  const draw = random.next();
  if (draw < 0.3) return world.requestOfTrial("promote_requested");
  if (draw < 0.45) return world.requestOfTrial("rollback_requested");
  if (draw < 0.6) return world.requestShare(random.chance(0.3) ? 100 : random.below(100));
  const epoch = world.ramping;
  if (epoch !== null) {
    world.tell({ kind: "ramped", epoch, percent: random.chance(0.3) ? 100 : random.below(100) });
  }
}

/** The workers that a generation was to start or stop are there, or gone. */
function scaleNews(world: ServiceWorld, epoch: number): void {
  const workers = world.scaling.get(epoch);
  if (workers === undefined) return;
  world.scaling.delete(epoch);
  world.tell({ kind: "scaled", epoch, workers });
}

/** What the serving generation has not opened yet, and who still has it. */
function lateNews(world: ServiceWorld, random: Random, epoch: number): void {
  if (random.chance(0.4)) return world.tell({ kind: "caught_up", epoch });
  const draining = world.state.generations.filter(({ state }) => state === "draining");
  const standIns = draining.map((each) => each.epoch).filter(() => random.chance(0.7));
  world.tell({ kind: "behind", epoch, standIns });
}

/** Something that may happen now. */
function happen(world: ServiceWorld, random: Random): void {
  const { generations } = world.state;
  const draw = random.next();
  if (draw < 0.1) {
    const rollout = random.chance(0.5) ? undefined : randomRollout(random);
    const order = random.pick(["start-first", "stop-first"] as const);
    return world.requestReload(rollout, random.chance(0.05) ? order : undefined);
  }
  if (draw < (world.state.shutdown !== null ? 0.13 : 0.103)) {
    return world.tell({ kind: "stop_requested" });
  }
  if (draw < 0.12) return world.requestUpgrade();
  if (draw < 0.125) {
    const relative = random.chance(0.5);
    return world.requestScale(relative ? random.below(5) - 2 : random.below(5), relative);
  }
  if (draw < 0.15) return staleNews(world, random);
  if (draw > 0.9) return trialNews(world, random);
  if (draw < 0.3 && world.upgrading) {
    const failed = random.chance(0.7);
    return world.tell(
      failed ? { kind: "upgrade_failed", reason: "by lot" } : { kind: "handed_over" },
    );
  }
  if (draw < 0.17 && (world.state.shutdown?.handedOver ?? null) !== null) {
    return world.tell({ kind: "handed_back" });
  }
  if (draw < 0.2 && world.backoff) return world.backoffElapses();
  if (draw < 0.25 && world.timers.size > 0) {
    const [timer, epoch] = random.pick([...world.timers]).split(" ");
    return world.fires(timer as GenerationTimer, Number(epoch));
  }
  if (generations.length === 0) {
    if (world.backoff) world.backoffElapses();
    return;
  }
  const { epoch, state } = random.pick(generations);
  switch (state) {
    case "waiting":
      if (random.chance(0.7)) return world.tell({ kind: "admitted", epoch });
      return random.chance(0.5) ? fail(world, random, epoch) : exit(world, random, epoch);
    case "starting":
    case "probing":
      if (random.chance(0.5)) return advance(world, random, epoch, state);
      if (random.chance(0.5)) return fail(world, random, epoch);
      if (random.chance(0.2)) return workerExits(world, random, epoch);
      return exit(world, random, epoch);
    case "baking":
    case "serving":
      if (random.chance(0.1)) return exit(world, random, epoch);
      if (random.chance(0.1)) return workerExits(world, random, epoch);
      if (random.chance(0.5)) return scaleNews(world, epoch);
      if (random.chance(0.2)) return world.tell({ kind: "unhealthy", epoch, reason: "by lot" });
      if (state === "serving" && random.chance(0.3)) lateNews(world, random, epoch);
      return;
    case "draining":
      // Slowly: what was replaced is often still there when its successor is.
      if (random.chance(0.1)) return world.tell({ kind: "drained", epoch });
      if (random.chance(0.2)) exit(world, random, epoch);
      return;
    default:
      return exit(world, random, epoch);
  }
}

/** The next step of a candidate. */
function advance(
  world: ServiceWorld,
  random: Random,
  epoch: number,
  state: "starting" | "probing",
): void {
  const isReadyAtOnce = world.policy.membersAtStart && random.chance(0.3);
  if (state === "starting" && !isReadyAtOnce) world.listens(epoch);
  else world.tell({ kind: "ready", epoch });
}

function fail(world: ServiceWorld, random: Random, epoch: number): void {
  const isLost = random.chance(0.1);
  const status = 1 + random.below(255);
  world.tell({ kind: "failed", epoch, reason: "by lot", status, ...isLost && { isLost } });
  // Without a process (it could not be launched) the exit follows at once.
  if (random.chance(0.3) && world.alive.has(epoch)) exit(world, random, epoch);
}

function workerExits(world: ServiceWorld, random: Random, epoch: number): void {
  const worker = random.below(4);
  world.tell({ kind: "worker_exited", epoch, worker, reason: "by lot", status: 1 });
}

function exit(world: ServiceWorld, random: Random, epoch: number): void {
  const status = random.pick([0, 1, 3, 137, 139, 143]);
  world.exits(epoch, { status, asRequested: random.chance(0.5), text: `exit status ${status}` });
}

const NO_UPGRADE: readonly ServiceEvent[] = [
  { kind: "upgrade_failed", reason: "stale" },
  { kind: "handed_over" },
  { kind: "handed_back" },
];

/** News of a generation that is gone, never was, or is in a state where it means nothing. */
function staleNews(world: ServiceWorld, random: Random): void {
  const gone = random.below(world.state.nextEpoch + 3);
  if (world.alive.has(gone)) return;
  const exit = { status: 1, asRequested: false, text: "stale" };
  const events: ServiceEvent[] = [
    { kind: "start" },
    ...world.upgrading || (world.state.shutdown?.handedOver ?? null) !== null ? [] : NO_UPGRADE,
    { kind: "listening", epoch: gone },
    { kind: "ready", epoch: gone },
    { kind: "failed", epoch: gone, reason: "stale", status: 1 },
    { kind: "ramped", epoch: gone, percent: 50 },
    { kind: "scaled", epoch: gone, workers: 2 },
    { kind: "bake_elapsed", epoch: gone },
    { kind: "unhealthy", epoch: gone, reason: "stale" },
    { kind: "drained", epoch: gone },
    { kind: "drain_timed_out", epoch: gone },
    { kind: "stop_timed_out", epoch: gone },
    { kind: "healthy", epoch: gone },
    { kind: "exited", epoch: gone, exit },
  ];
  world.tell(random.pick(events));
}

/** "draining -> stopping" -> what caused it: an event of the generation or the service, or "(another's)". */
type Transitions = Map<string, Set<string>>;

/** Adds what has become of each generation in one step. */
function record(
  transitions: Transitions,
  before: ServiceState,
  event: ServiceEvent,
  after: ServiceState,
): void {
  for (const { epoch, state } of before.generations) {
    const now = after.generations.find((generation) => generation.epoch === epoch);
    const to = now?.state ?? "exited";
    if (to === state) continue;
    const note = (from: string, to: string, cause: string) => {
      const key = `${from} -> ${to}`;
      transitions.set(key, (transitions.get(key) ?? new Set()).add(cause));
    };
    const isOwn = !("epoch" in event) || event.epoch === epoch;
    const cause = isOwn ? event.kind : `(${event.kind})`;
    const isKilledForRoom = to === "stopping" && now?.cut === true &&
      event.kind !== "stop_requested";
    if (!isKilledForRoom) {
      note(state, to, cause);
      continue;
    }
    // It may have begun to drain in the same step.
    if (state !== "draining") note(state, "draining", cause);
    note("draining", to, "room");
  }
}

const ON_TRIAL = ["start", "ready 0", "reload 1 ramp 1000", "ready 1"];
/** What the random walk reaches never (a takeover), or not every time. */
const RARE: readonly (readonly [ServiceState, ...string[]])[] = [
  [inheritedState(4), "reload 1", "ready 5", "takeover_granted 5"],
  [inheritedState(4), "reload 1", "listening 5", "ready 5", "takeover_granted 5"],
  [INITIAL_STATE, "start", "ready 0", "upgrade 1", "handed_over", "handed_back"],
  [INITIAL_STATE, ...ON_TRIAL, "share 2 100"],
  [INITIAL_STATE, ...ON_TRIAL, "ramped 1 100"],
  [INITIAL_STATE, ...ON_TRIAL, "rollback 2"],
  [INITIAL_STATE, ...ON_TRIAL, "stop"],
  [
    INITIAL_STATE,
    "start",
    "ready 0",
    "scale 1 2",
    "scaled 0 2",
    "reload 2 rolling",
    "ready 1",
    "scaled 0 1",
    "scaled 1 2",
  ],
];

/** Walks once, for both tests. */
let walked: { readonly transitions: Transitions; services: number; ended: number } | null = null;

function walk() {
  if (walked !== null) return walked;
  const random = new Random(testSeed());
  const result = { transitions: new Map() as Transitions, services: 0, ended: 0 };
  let events = 0;
  let draws = 0;
  while (events < EVENTS) {
    const world = new ServiceWorld(
      randomPolicy(random),
      (before, event, after) => record(result.transitions, before, event, after),
    );
    result.services++;
    try {
      world.tell({ kind: "start" });
      while (!world.finished && events + world.story.length < EVENTS) {
        assert.ok(draws++ < 20 * EVENTS, "the walk makes progress");
        happen(world, random);
      }
      if (world.finished) {
        result.ended++;
        for (let i = 0; i < 3; i++) staleNews(world, random);
        world.tell({ kind: "stop_requested" });
      }
    } catch (error) {
      const story = world.story.slice(-EVENTS_SHOWN).join("\n");
      const policy = JSON.stringify(world.policy);
      throw new Error(`With seed ${random.seed} and ${policy}, after\n${story}`, { cause: error });
    }
    events += world.story.length;
  }
  for (const [state, ...events] of RARE) {
    const story = new Story({}, state);
    for (const event of events) {
      const before = story.state;
      story.tell(event);
      record(result.transitions, before, parseEvent(event), story.state);
    }
  }
  return walked = result;
}

test("a random walk of 100,000 events breaks no invariant", { timeout: TEST_TIMEOUT_MS }, () => {
  const { ended, services } = walk();
  assert.ok(
    ended >= services - 1 && ended > 100,
    `${ended} of ${services} services came to an end`,
  );
});

const SOURCE: string = readFileSync("src/lifecycle/generation.ts", "utf8");
const COMMENT = SOURCE.slice(0, SOURCE.indexOf("*/")).split("\n").map((line) => line.slice(3));
const LEGEND_AT = COMMENT.findIndex((line) => line.startsWith("Any state"));
const [DRAWING, LEGEND] = [COMMENT.slice(0, LEGEND_AT), COMMENT.slice(LEGEND_AT)];
const STATES = Object.keys(ACCEPTS) as GenerationState[];

/** "starting, probing -> baking      ready, (exited)", with continued lines: "from -> to" -> causes. */
function legend(): Map<string, string[]> {
  const entries = LEGEND.join("\n").matchAll(
    /^ {2}([a-z, ]+) -> ([a-z]+) {2,}(.+(?:\n {10,}.+)*)$/gm,
  );
  const causes = new Map<string, string[]>();
  for (const [, from = "", to = "", list = ""] of entries) {
    const named = list.replace("or killed to make room for a start", "room").split(/,\s+/);
    for (const state of from.split(", ")) causes.set(`${state} -> ${to}`, named.sort());
  }
  return causes;
}

describe("the drawing in generation.ts", { timeout: TEST_TIMEOUT_MS }, () => {
  const reached = () => [...walk().transitions].filter(([key]) => !key.endsWith("-> exited"));

  test("has the transitions that happen, and no other", () => {
    assert.deepEqual(readDrawing(DRAWING, STATES), reached().map(([key]) => key).sort());
  });

  test("names their causes", () => {
    const found = Object.fromEntries(reached().map(([key, causes]) => [key, [...causes].sort()]));
    // One line of the legend may stand for several states: what it names happens to one of them at least.
    const merged = Object.fromEntries(
      Object.entries(found).map(([key]) => [key, legend().get(key)]),
    );
    assert.deepEqual(found, merged);
  });

  test("and any state but `exited` leads there", () => {
    const causes = STATES.map((state) => walk().transitions.get(`${state} -> exited`));
    assert.deepEqual(causes.pop(), undefined);
    for (const each of causes) assert.deepEqual([...each ?? []], ["exited"]);
  });

  test("agrees with the events that each state accepts", () => {
    const [, list = ""] = /No transition: ([^.]+)\./.exec(LEGEND.join("\n")) ?? [];
    const silent: readonly string[] = list.match(/[a-z_]+/g) ?? [];
    for (const [state, accepted] of Object.entries(ACCEPTS)) {
      const drawn = new Set(
        [...legend()].flatMap(([key, causes]) => key.startsWith(`${state} ->`) ? causes : []),
      );
      for (const event of accepted) {
        const isKnown = drawn.has(event) || silent.includes(event) || event === "exited";
        assert.ok(isKnown, `${state} accepts ${event}, which the drawing does not have`);
      }
    }
  });
});
