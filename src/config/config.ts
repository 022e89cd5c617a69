/**
 * The validated configuration of one `baton run`.
 *
 * Guarantees: all durations are whole milliseconds, all listeners are parsed, every rule across options holds
 * (`validate.ts`). The fields and their defaults are in `options.ts`.
 */
import type { OptionValues } from "./options.ts";
import type { HookName } from "./values/hook_spec.ts";

/** Every field is always present. */
export interface Config extends OptionValues {
  /** Program and arguments of the server, at least one element. */
  readonly command: readonly string[];
  /** The name of the service: in the names of its control socket and lock, and in log lines. */
  readonly name: string;
}

/** Whether servers keep running when baton is killed. */
export function outlivesBaton(config: Config): boolean {
  return config.survive || config.orphan === "keep";
}

/** Whether servers keep running when baton is killed, and no other baton answers their trapped calls then. */
export function isAbandoned({ survive, orphan }: Pick<Config, "survive" | "orphan">): boolean {
  return orphan === "keep" && !survive;
}

/** Longest time from the start of a generation to its switch, hooks included, in milliseconds. */
export function longestStartMs(config: Config): number {
  const preFlights = config.preFlight === null ? 0 : 1;
  const commands = preFlights + countHooks(config, ["pre-start", "ready"]);
  return config.readyTimeoutMs + commands * config.hookTimeoutMs;
}

/** Longest wait for connections when the service stops. */
export function drainTimeAtStop(
  { drainTimeMs, stopDrainTimeMs }: Pick<Config, "drainTimeMs" | "stopDrainTimeMs">,
): number {
  return Math.min(drainTimeMs, stopDrainTimeMs ?? Infinity);
}

/** Longest time from the request to stop to the exit of baton, hooks included. */
export function longestStopMs(config: Config): number {
  const hookMs = (names: readonly HookName[]) => countHooks(config, names) * config.hookTimeoutMs;
  const stopMs = drainTimeAtStop(config) + config.stopTimeMs + hookMs(["pre-drain", "post-stop"]);
  // The on-rollback hooks of a candidate that has just failed run beside all of this.
  return Math.max(stopMs, hookMs(["on-rollback"]));
}

function countHooks(config: Config, names: readonly HookName[]): number {
  return config.hook.filter(({ name }) => names.includes(name)).length;
}
