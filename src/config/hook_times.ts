/** How long hooks may hold up a start or a stop: whoever waits for one of these waits for them too. Pure. */
import type { Config } from "./config.ts";
import type { HookName } from "./values/hook_spec.ts";

/** Longest time from the start of a generation to its switch, in milliseconds. */
export function longestStartMs(config: Config): number {
  const preFlights = config.preFlight === null ? 0 : 1;
  const commands = preFlights + countOf(config, ["pre-start", "ready"]);
  return config.readyTimeoutMs + commands * config.hookTimeoutMs;
}

/** Longest time from the request to stop to the end of baton. */
export function longestStopMs(config: Config): number {
  const hookMs = (names: readonly HookName[]) => countOf(config, names) * config.hookTimeoutMs;
  const stopMs = config.drainTimeMs + config.stopTimeMs + hookMs(["pre-drain", "post-stop"]);
  // That of a candidate which failed just before runs to its end, beside all of this.
  return Math.max(stopMs, hookMs(["on-rollback"]));
}

function countOf(config: Config, names: readonly HookName[]): number {
  return config.hook.filter(({ name }) => names.includes(name)).length;
}
