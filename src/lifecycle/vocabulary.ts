/** The two vocabularies of the core: what has happened (events) and what to do (effects). Pure. */

import type { Generation } from "./generation.ts";
import type { Rollout } from "./rollout.ts";
import type { ServiceState } from "./state.ts";

/** How a server's leading process ended, as far as the core needs to know it. */
export interface ExitReport {
  /** The shell's view: exit code, or 128 + signal. */
  readonly status: number;
  /** By our stop signal, or with 0 after it. */
  readonly asRequested: boolean;
  /** For people: "exit status 3", "killed by SIGSEGV". */
  readonly text: string;
  /** A person at its terminal ended it, whatever the status: it is not started again. */
  readonly isFinal?: boolean;
  /** Connections that still owed a response when they ended. */
  readonly cut?: number;
}

export type ServiceEvent =
  | { readonly kind: "start" }
  /** `request` identifies the caller that waits for the result. */
  | {
    readonly kind: "reload_requested";
    readonly request: number;
    /** Missing: as configured. */
    readonly rollout?: Rollout;
  }
  /** Ends the trial: all new connections go to the candidate, and the generation before drains. */
  | { readonly kind: "promote_requested"; readonly request: number }
  /** Ends the trial: the candidate drains. */
  | { readonly kind: "rollback_requested"; readonly request: number }
  /** The candidate gets this share of the new connections, until the next request. */
  | { readonly kind: "share_requested"; readonly request: number; readonly percent: number }
  /** TERM, INT, QUIT or `baton stop`; the second and third time mean more. */
  | {
    readonly kind: "stop_requested";
    /** Part of the drain time that an earlier wait has used up. */
    readonly spentMs?: number;
  }
  /** Hand everything over to a new baton process, or become a new program (`inPlace`). */
  | { readonly kind: "upgrade_requested"; readonly request: number; readonly inPlace: boolean }
  /** The new baton exited or gave up before it had taken over. */
  | { readonly kind: "upgrade_failed"; readonly reason: string }
  /** The new baton's own generation serves. */
  | { readonly kind: "handed_over" }
  /** The new baton exited after that: serve again, unless the generation has got its stop signal. */
  | { readonly kind: "handed_back" }
  /**
   * The predecessor was killed and its servers still run: they belong to this baton now.
   * `draining`: those of generations before the serving one.
   */
  | { readonly kind: "orphans_adopted"; readonly draining: readonly Generation[] }
  /** A candidate has its first listener. */
  | { readonly kind: "listening"; readonly epoch: number }
  /** A candidate has passed its gate. */
  | { readonly kind: "ready"; readonly epoch: number }
  /** The predecessor has stopped steering connections, so `epoch` may serve. */
  | { readonly kind: "takeover_granted"; readonly epoch: number }
  /** A candidate could not be launched, timed out, listens elsewhere, or was vetoed by a hook. */
  | {
    readonly kind: "failed";
    readonly epoch: number;
    readonly reason: string;
    readonly status: number;
  }
  /** This share of a ramp is due. */
  | { readonly kind: "ramped"; readonly epoch: number; readonly percent: number }
  | { readonly kind: "bake_elapsed"; readonly epoch: number }
  /** It has passed its gate, and its checks fail now. */
  | { readonly kind: "unhealthy"; readonly epoch: number; readonly reason: string }
  /** Its queue is empty, its connections are idle or gone. */
  | { readonly kind: "drained"; readonly epoch: number }
  | { readonly kind: "drain_timed_out"; readonly epoch: number }
  | { readonly kind: "stop_timed_out"; readonly epoch: number }
  /** The serving generation has run long enough to forget earlier crashes. */
  | { readonly kind: "healthy"; readonly epoch: number }
  /**
   * It serves, and does not listen yet at some address where the generation before it did.
   * `standIns`: generations that still accept there.
   */
  | { readonly kind: "behind"; readonly epoch: number; readonly standIns: readonly number[] }
  /** It listens at all of them now. */
  | { readonly kind: "caught_up"; readonly epoch: number }
  /** It does not, and its time for that is over. */
  | { readonly kind: "late_timed_out"; readonly epoch: number }
  /** A candidate failed beside it some time ago. */
  | { readonly kind: "aftermath_timed_out"; readonly epoch: number }
  | { readonly kind: "exited"; readonly epoch: number; readonly exit: ExitReport }
  | { readonly kind: "backoff_elapsed" };

/** Timers with the same delay for all generations. */
export type ConfiguredTimer = "ready" | "drain" | "stop" | "health" | "late" | "aftermath";
export type GenerationTimer = ConfiguredTimer | "bake";

export type ServiceEffect =
  /** A replacement of a crashed generation gets that one's listeners with their queues. */
  | { readonly kind: "spawn"; readonly epoch: number; readonly replaces: number | null }
  /** A candidate that has started already becomes the replacement of a crashed generation. */
  | { readonly kind: "replace_crashed"; readonly epoch: number; readonly replaces: number }
  /** Ask the predecessor to stop steering connections; dispatches `takeover_granted`. */
  | { readonly kind: "request_takeover"; readonly epoch: number }
  /**
   * THE POINT OF NO RETURN: from here on new connections go to `epoch`.
   * `after`: the generation that served, or crashed, before it.
   */
  | { readonly kind: "switch"; readonly epoch: number; readonly after: number | null }
  /** Steer this share of the new connections to the generation on trial, and the rest to the serving one. */
  | { readonly kind: "share"; readonly epoch: number; readonly percent: number }
  /** Dispatch `ramped` repeatedly, from this share up to 100. */
  | {
    readonly kind: "begin_ramp";
    readonly epoch: number;
    readonly percent: number;
    readonly durationMs: number;
  }
  | { readonly kind: "end_ramp"; readonly epoch: number }
  /** For the record: the serving generation is the one before again. */
  | { readonly kind: "rolled_back"; readonly epoch: number; readonly reason: string }
  /** New connections go to `epoch` again, which drained and has not got its stop signal. */
  | { readonly kind: "steer_back"; readonly epoch: number }
  /** Answer a request about a trial. */
  | {
    readonly kind: "trial_result";
    readonly request: number;
    readonly epoch: number | null;
    readonly result: "ok" | "refused";
    readonly reason: string | null;
  }
  /** Watch its connections end; dispatches `drained`. */
  | { readonly kind: "drain"; readonly epoch: number; readonly stopping: boolean }
  /** It need not stand in any more: watch its connections once more; dispatches `drained`. */
  | { readonly kind: "drain_rest"; readonly epoch: number; readonly stopping: boolean }
  /** Stop keeping listeners that `epoch` has not opened; `inTime`: it had its full time to do so. */
  | { readonly kind: "give_up_late"; readonly epoch: number; readonly inTime: boolean }
  | { readonly kind: "signal_stop"; readonly epoch: number }
  /** `overdue`: its time is over, or a stop was requested three times; log which processes are killed. */
  | { readonly kind: "kill"; readonly epoch: number; readonly overdue?: true }
  /** Release its listeners and its record. */
  | { readonly kind: "retire"; readonly epoch: number }
  /** Retire a failed replacement, and return its listeners to the crashed generation `to`. */
  | { readonly kind: "return_members"; readonly epoch: number; readonly to: number }
  /** Shorten the time of all drains, running and future, by this much. */
  | { readonly kind: "shorten_drains"; readonly byMs: number }
  | { readonly kind: "arm"; readonly timer: ConfiguredTimer; readonly epoch: number }
  | { readonly kind: "arm_bake"; readonly epoch: number; readonly delayMs: number }
  | { readonly kind: "disarm"; readonly timer: GenerationTimer; readonly epoch: number }
  | { readonly kind: "arm_backoff"; readonly delayMs: number }
  | { readonly kind: "disarm_backoff" }
  /** Answer requests for a reload. */
  | {
    readonly kind: "reload_result";
    readonly requests: readonly number[];
    readonly epoch: number | null;
    readonly result: "ok" | "failed" | "refused";
    readonly reason: string | null;
  }
  /** Start the new baton and pass it the listeners; this baton does not change until the new one answers. */
  | { readonly kind: "begin_upgrade"; readonly inPlace: boolean }
  /** End the new baton, if it runs. */
  | { readonly kind: "abort_upgrade" }
  /** New connections go to `epoch` again, whose drain is over. */
  | { readonly kind: "take_back"; readonly epoch: number }
  /** Answer requests for an upgrade. */
  | {
    readonly kind: "upgrade_result";
    readonly requests: readonly number[];
    readonly result: "ok" | "failed" | "refused";
    readonly reason: string | null;
  }
  | { readonly kind: "notice"; readonly text: string }
  /** Everything is gone: exit with this status. */
  | { readonly kind: "finish"; readonly status: number };

type EffectKind = ServiceEffect["kind"];

/** What carries out each kind of effect; `state`: after the step that asked for it. */
export type EffectHandlers = {
  readonly [K in EffectKind]: (
    effect: Extract<ServiceEffect, { kind: K }>,
    state: ServiceState,
  ) => void;
};
