/**
 * `baton hot-restarter --safe TARGET`: what is by default otherwise than with `baton run`. The unmodified start script of Envoy
 * (`exec envoy --restart-epoch $RESTART_EPOCH ...`) starts an Envoy that is the first of its kind each time, and baton hands
 * over. Pure.
 */
import type { Config } from "../config/config.ts";

/** The default of Envoy's --parent-shutdown-time-s. */
const PARENT_SHUTDOWN_MS = 900_000;
/** Together 30 s: TERM_WAIT_SECONDS of hot-restarter.py, which supervisors around it may count on. */
const STOP_DRAIN_MS = 25_000;
const STOP_MS = 5_000;

export const SAFE_DEFAULTS: Partial<Config> = {
  preset: "envoy",
  restartEpoch: "0",
  // "_parent_0", "_child_0", "_udp_parent_0", "_udp_child_0" behind Envoy's --socket-path.
  privateSocket: ["@*_parent_*", "@*_child_*"],
  drainTimeMs: PARENT_SHUTDOWN_MS,
  stopDrainTimeMs: STOP_DRAIN_MS,
  stopTimeMs: STOP_MS,
};

/** execl(3), by which the original starts it, does not search in PATH. */
export function safeTarget(target: string): string {
  return target.includes("/") ? target : `./${target}`;
}
