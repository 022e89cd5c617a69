/**
 * Stories about the service's state machine in words: events, and the effects that follow.
 *
 * `new Story(policy).tell("exited 0 3")` returns the effects as text: `"spawn 1 replacing 0"`. The
 * disarms of all timers of one generation, always in a row, are one line: `"disarm all 0"`. Notices, and which
 * plan is good, are left out by `tell`.
 */
import assert from "node:assert/strict";
import { AT_ONCE, type Rollout } from "../../src/lifecycle/rollout.ts";
import { step } from "../../src/lifecycle/service.ts";
import { INITIAL_STATE, type ServicePolicy, type ServiceState } from "../../src/lifecycle/state.ts";
import type { ServiceEffect, ServiceEvent } from "../../src/lifecycle/vocabulary.ts";

export const POLICY: ServicePolicy = {
  maxGenerations: 4,
  onCrash: "restart",
  membersAtStart: false,
  order: "start-first",
  rollout: AT_ONCE,
  rollsBackUnhealthy: true,
  workers: 1,
  backoff: { delayMs: 1_000, maxDelayMs: 5_000, limit: 5 },
};

const SIMPLE = [
  "admitted",
  "listening",
  "ready",
  "takeover_granted",
  "drained",
  "drain_timed_out",
  "stop_timed_out",
  "healthy",
  "bake_elapsed",
  "caught_up",
  "late_timed_out",
  "aftermath_timed_out",
] as const;

/** `canary 10 ramp 60000 bake 5000 hold`, any of them. */
function parseRollout(words: readonly string[]): Rollout {
  const plan = new Map<string, number>();
  for (let i = 0; i < words.length; i += 2) plan.set(words[i] ?? "", Number(words[i + 1] ?? 1));
  return {
    canary: plan.get("canary") ?? null,
    rampMs: plan.get("ramp") ?? 0,
    bakeMs: plan.get("bake") ?? 0,
    hold: plan.has("hold"),
    rolling: plan.has("rolling"),
  };
}

/**
 * - `start`, `stop`, `stop 500` (spent drain time), `reload 7` (request), `reload 7 canary 10 bake 5000` (rollout), `backoff`
 * - `reload 7 stop-first` (order); `unhealthy 1 deaf`; `failed 0 70 lost` (baton was killed)
 * - `scale 8 4` (request, workers), `scale 8 +1`, `scaled 1 4` (epoch, workers)
 * - `promote 8`, `rollback 8`, `share 8 25` (request, percent), `ramped 1 50` (epoch, percent), `unhealthy 1`
 * - `upgrade 7` (request), `upgrade 7 in_place`, `upgrade_failed 3` (reason), `handed_over`, `handed_back`
 * - `handed_over green` (under another name)
 * - `listening 0`, `ready 0`, `drained 0`, ... (epoch)
 * - `worker_exited 1 2`, `unhealthy 1 of 2` (epoch, worker)
 * - `behind 1`, `behind 1 0` (epoch, stand-in)
 * - `failed 0 70` (epoch, status)
 * - `exited 0 3` (epoch, status), `exited 0 0 stopped` (by our stop signal), `exited 0 0 stopped cut` (with connections)
 */
export function parseEvent(text: string): ServiceEvent {
  const [kind = "", first = "", ...more] = text.split(" ");
  const [second = "", how] = more;
  const epoch = Number(first);
  const status = Number(second);
  if (kind === "start") return { kind };
  if (kind === "stop") return { kind: "stop_requested", spentMs: epoch };
  if (kind === "backoff") return { kind: "backoff_elapsed" };
  if (kind === "handed_over") return { kind, ...first !== "" && { successor: first } };
  if (kind === "handed_back") return { kind };
  if (kind === "upgrade_failed") return { kind, reason: `reason ${first}` };
  if (kind === "upgrade") {
    return { kind: "upgrade_requested", request: epoch, inPlace: second === "in_place" };
  }
  if (kind === "reload") {
    const order = more.find((word) => word === "start-first" || word === "stop-first");
    const undivided = more.filter((word) => word.startsWith("unix:"));
    const words = more.filter((word) => word !== order && !undivided.includes(word));
    const rollout = words.length === 0 ? {} : { rollout: parseRollout(words) };
    const how = { ...rollout, ...order && { order } };
    return { kind: "reload_requested", request: epoch, undivided, ...how };
  }
  if (kind === "promote" || kind === "rollback") {
    return { kind: `${kind}_requested`, request: epoch };
  }
  if (kind === "scale") {
    const relative = /^[+-]/.test(second);
    return { kind: "scale_requested", request: epoch, workers: status, relative };
  }
  if (kind === "scaled") return { kind, epoch, workers: status };
  if (kind === "share") return { kind: "share_requested", request: epoch, percent: status };
  if (kind === "ramped") return { kind, epoch, percent: status };
  if (kind === "unhealthy") {
    const worker = how === undefined ? {} : { worker: Number(how) };
    return {
      kind,
      epoch,
      reason: "probes fail",
      ...second === "deaf" && { deaf: true },
      ...worker,
    };
  }
  if (kind === "worker_exited") {
    return { kind, epoch, worker: status, reason: `worker ${second} exited`, status: 1 };
  }
  if (kind === "behind") return { kind, epoch, standIns: more.map(Number) };
  if (kind === "failed") {
    const isLost = more.includes("lost") && { isLost: true } as const;
    return { kind, epoch, reason: `reason ${epoch}`, status, ...isLost };
  }
  if (kind === "exited") {
    const cut = more.includes("cut") ? { cut: 1 } : {};
    const exit = { status, asRequested: how === "stopped", text: `exit status ${status}`, ...cut };
    return { kind, epoch, exit };
  }
  const simple = SIMPLE.find((name) => name === kind);
  if (simple === undefined) throw new Error(`Cannot read event "${text}"`);
  return { kind: simple, epoch };
}

export function formatEffect(effect: ServiceEffect): string {
  switch (effect.kind) {
    case "spawn":
      return `spawn ${effect.epoch}${replacing(effect)}${effect.waits ? " waiting" : ""}` +
        several(effect);
    case "launch":
      return `launch ${effect.epoch}${replacing(effect)}${several(effect)}`;
    case "scale":
      return `scale ${effect.epoch} to ${effect.workers}`;
    case "scale_result": {
      const { requests, result, workers, reason } = effect;
      const why = reason === null ? "" : `: ${reason}`;
      return `scale ${requests.join("+")} ${result} with ${workers}${why}`;
    }
    case "hold":
      return `hold ${effect.epoch} for ${effect.candidate}`;
    case "replace_crashed":
      return `replace_crashed ${effect.replaces} by ${effect.epoch}`;
    case "replace_worker":
      return `replace_worker ${effect.epoch} ${effect.worker}`;
    case "drain":
      return `drain ${effect.epoch}` + (effect.stopping ? " stopping" : "");
    case "drain_rest":
      return `drain_rest ${effect.epoch}` + (effect.stopping ? " stopping" : "");
    case "give_up_late":
      return `give_up_late ${effect.epoch}` + (effect.inTime ? " in time" : "");
    case "return_members":
      return `return_members ${effect.epoch} to ${effect.to}`;
    case "arm":
    case "disarm":
      return `${effect.kind} ${effect.timer} ${effect.epoch}`;
    case "shorten_drains":
      return `shorten_drains by ${effect.byMs}`;
    case "arm_bake":
      return `arm bake ${effect.epoch} for ${effect.delayMs}`;
    case "share":
      return `share ${effect.epoch} ${effect.percent} %`;
    case "begin_ramp":
      return `begin_ramp ${effect.epoch} from ${effect.percent} % in ${effect.durationMs}`;
    case "rolled_back":
      return `rolled_back ${effect.epoch}: ${effect.reason}`;
    case "trial_result": {
      const { request, result, reason } = effect;
      return `trial ${request} ${result}` + (reason === null ? "" : `: ${reason}`);
    }
    case "arm_backoff":
      return `arm_backoff ${effect.delayMs}`;
    case "disarm_backoff":
      return "disarm_backoff";
    case "reload_result": {
      const { result, requests, epoch, reason, restored } = effect;
      const by = epoch === null ? "" : ` by ${epoch}`;
      const instead = restored === undefined ? "" : `, ${restored} instead`;
      const why = reason === null ? "" : `: ${reason}`;
      return `reload ${requests.join("+")} ${result}${by}${instead}${why}`;
    }
    case "notice":
      return `notice ${effect.text}`;
    case "finish":
      return `finish ${effect.status}`;
    case "begin_upgrade":
    case "abort_upgrade":
      return effect.kind;
    case "upgrade_result": {
      const { result, requests, reason } = effect;
      return `upgrade ${requests.join("+")} ${result}` + (reason === null ? "" : `: ${reason}`);
    }
    default:
      return `${effect.kind} ${effect.epoch}`;
  }
}

function several({ workers }: { readonly workers: number }): string {
  return workers === 1 ? "" : ` with ${workers}`;
}

function replacing(
  { replaces, plan }: Extract<ServiceEffect, { kind: "spawn" | "launch" }>,
): string {
  return (replaces === null ? "" : ` replacing ${replaces}`) +
    (plan === "files" ? "" : ` from the ${plan} plan`);
}

/** Effects as text; the disarms of all timers of one generation as one. */
export function formatEffects(effects: readonly ServiceEffect[]): string[] {
  const all =
    /disarm ready (\d+)\ndisarm bake \1\ndisarm drain \1\ndisarm stop \1\ndisarm health \1\ndisarm late \1\ndisarm aftermath \1(?=\n|$)/g;
  const text = effects.map(formatEffect).join("\n").replace(all, "disarm all $1");
  return text === "" ? [] : text.split("\n");
}

export class Story {
  state: ServiceState;
  readonly policy: ServicePolicy;

  /** @param state what it begins with */
  constructor(change: Partial<ServicePolicy> = {}, state: ServiceState = INITIAL_STATE) {
    this.state = state;
    this.policy = { ...POLICY, ...change };
  }

  /** One event; all its effects as text. */
  tellAll(text: string): string[] {
    const { state, effects } = step(this.state, parseEvent(text), this.policy);
    this.state = state;
    return formatEffects(effects);
  }

  tell(text: string): string[] {
    return this.tellAll(text).filter((line) => !/^(notice|good_plan) /.test(line));
  }

  /** Events whose effects do not matter. */
  given(...events: readonly string[]): this {
    for (const event of events) this.tell(event);
    return this;
  }

  /** "0 draining, 1 serving" */
  get generations(): string {
    return this.state.generations.map(({ epoch, state }) => `${epoch} ${state}`).join(", ");
  }
}

/** One line of a script: an event, all its effects, then the generations that are alive (`= ...`). */
export type Line = readonly [event: string, ...expected: string[]];

/**
 * Plays a script and compares each line; the last expectation of a line may be `= 0 draining, 1 serving`.
 */
export function play(story: Story, script: readonly Line[]): void {
  for (const [event, ...expected] of script) {
    const last = expected.at(-1);
    const alive = last?.startsWith("=") ? expected.pop()!.slice(1).trim() : null;
    assert.deepEqual(story.tell(event), expected, `effects of "${event}"`);
    if (alive !== null) assert.equal(story.generations, alive, `generations after "${event}"`);
  }
}
