/** The options of `baton hot-restarter` that are no options of `run`. */
import type { VerbFlag } from "./verb_spec.ts";

export const SAFE: VerbFlag = {
  flag: "safe",
  placeholder: null,
  help: "Run the target as 'baton run' does, with RESTART_EPOCH=0 each time: baton hands the " +
    "connections over, not Envoy. All options of run count.",
};
export const GUARD: VerbFlag = {
  flag: "guard",
  placeholder: null,
  help: "Keep Envoy's own hand-over, but a new Envoy that fails is killed alone and its epoch is " +
    "used again, HUP waits until the newest Envoy is LIVE, and baton reload reports the outcome.",
};
export const WAIT_DRAIN: VerbFlag = {
  flag: "wait-drain",
  placeholder: null,
  help: "With --guard: HUP waits, too, until the Envoy before the newest one has drained and " +
    "ended. By default a warning says that the next one cuts it.",
};

/** The options of run that count with `--guard`, too. */
export const GUARD_FLAGS: readonly string[] = ["name", "runtime-dir", "ready-timeout"];
