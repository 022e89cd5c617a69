/** The two vocabularies of the core: what it is told (events) and what it asks for (effects). Pure. */

import type { Generation } from "./generation.ts";
import type { Rollout } from "./rollout.ts";

/** How a server's leading process ended, as the core needs to know it. */
export interface ExitReport {
  /** The shell's view: exit code, or 128 + signal. */
  readonly status: number;
  /** It ended as it was told to: by our stop signal, or with 0 after it. */
  readonly asRequested: boolean;
  /** For people: "exit status 3", "killed by SIGSEGV". */
  readonly text: string;
  /** Somebody at its terminal has ended it, whatever the status: it is not started again. */
  readonly isFinal?: boolean;
  /** Connections on which something was owed when they ended. */
  readonly cut?: number;
}

export type ServiceEvent =
  | { readonly kind: "start" }
  /** `request` identifies who waits for the result. */
  | {
    readonly kind: "reload_requested";
    readonly request: number;
    /** How the new generation is let in; missing: as configured. */
    readonly rollout?: Rollout;
  }
  /** About the generation on trial: all new connections to it, and the one before it may go. */
  | { readonly kind: "promote_requested"; readonly request: number }
  /** It goes, and the one before it serves as ever. */
  | { readonly kind: "rollback_requested"; readonly request: number }
  /** It gets this share of the new connections, until asked again. */
  | { readonly kind: "share_requested"; readonly request: number; readonly percent: number }
  /** TERM, INT, QUIT or `baton stop`; the second and third time mean more. */
  | {
    readonly kind: "stop_requested";
    /** Of the drain time, what another wait has taken already. */
    readonly spentMs?: number;
  }
  /** Hand everything over to a new baton process, or become a new program (`inPlace`). */
  | { readonly kind: "upgrade_requested"; readonly request: number; readonly inPlace: boolean }
  /** The new baton is gone, or will not make it; it had not taken over. */
  | { readonly kind: "upgrade_failed"; readonly reason: string }
  /** The new baton's own generation serves. */
  | { readonly kind: "handed_over" }
  /** The new baton has ended after that: serve on, if the generation has not been told to stop. */
  | { readonly kind: "handed_back" }
  /**
   * The old baton that this one replaces was killed, and its servers go on: they are ours from here on.
   * `draining`: those of generations before the serving one.
   */
  | { readonly kind: "orphans_adopted"; readonly draining: readonly Generation[] }
  /** Candidate has its first listener up. */
  | { readonly kind: "listening"; readonly epoch: number }
  /** Candidate has passed its gate. */
  | { readonly kind: "ready"; readonly epoch: number }
  /** Candidate will not make it: could not be launched, timed out, listens elsewhere. */
  | {
    readonly kind: "failed";
    readonly epoch: number;
    readonly reason: string;
    readonly status: number;
  }
  /** Time has passed in a ramp: this share is due. */
  | { readonly kind: "ramped"; readonly epoch: number; readonly percent: number }
  | { readonly kind: "bake_elapsed"; readonly epoch: number }
  /** It has passed its gate, and is not healthy any more. */
  | { readonly kind: "unhealthy"; readonly epoch: number; readonly reason: string }
  /** Queue empty, connections idle or gone. */
  | { readonly kind: "drained"; readonly epoch: number }
  | { readonly kind: "drain_timed_out"; readonly epoch: number }
  | { readonly kind: "stop_timed_out"; readonly epoch: number }
  /** The serving generation has run long enough for earlier crashes to be forgotten. */
  | { readonly kind: "healthy"; readonly epoch: number }
  /**
   * It serves, and does not listen yet at some address where the generation before it did.
   * `standIns`: those that still accept there.
   */
  | { readonly kind: "behind"; readonly epoch: number; readonly standIns: readonly number[] }
  /** It listens there now. */
  | { readonly kind: "caught_up"; readonly epoch: number }
  /** It does not, and has had its time. */
  | { readonly kind: "late_timed_out"; readonly epoch: number }
  /** A candidate has failed beside it, and that was a while ago. */
  | { readonly kind: "aftermath_timed_out"; readonly epoch: number }
  | { readonly kind: "exited"; readonly epoch: number; readonly exit: ExitReport }
  | { readonly kind: "backoff_elapsed" };

/** Those whose time is the same for all generations. */
export type ConfiguredTimer = "ready" | "drain" | "stop" | "health" | "late" | "aftermath";
export type GenerationTimer = ConfiguredTimer | "bake";

export type ServiceEffect =
  /** `heir` of a crashed generation: gets that one's members, queues and all. */
  | { readonly kind: "spawn"; readonly epoch: number; readonly heirOf: number | null }
  /** A candidate that has started already becomes the heir of a generation that crashed. */
  | { readonly kind: "make_heir"; readonly epoch: number; readonly heirOf: number }
  /**
   * THE POINT OF NO RETURN: new connections go to `epoch` from here on.
   * `after`: who served, or crashed, before it.
   */
  | { readonly kind: "switch"; readonly epoch: number; readonly after: number | null }
  /** A generation on trial gets this part of the new connections, and the serving one the rest; 0: nothing. */
  | { readonly kind: "share"; readonly epoch: number; readonly percent: number }
  /** Report `ramped` again and again, from this share to all. */
  | {
    readonly kind: "begin_ramp";
    readonly epoch: number;
    readonly percent: number;
    readonly durationMs: number;
  }
  | { readonly kind: "end_ramp"; readonly epoch: number }
  /** The serving generation is the one before again. */
  | { readonly kind: "rolled_back"; readonly epoch: number; readonly reason: string }
  /** New connections go to `epoch` again, which was draining and has not been told to stop. */
  | { readonly kind: "steer_back"; readonly epoch: number }
  /** What became of a request about a trial. */
  | {
    readonly kind: "trial_result";
    readonly request: number;
    readonly epoch: number | null;
    readonly result: "ok" | "refused";
    readonly reason: string | null;
  }
  /** Begin to watch its connections; report `drained`. */
  | { readonly kind: "drain"; readonly epoch: number; readonly stopping: boolean }
  /** It is not needed beside its successor any more: watches its connections once more; reports `drained`. */
  | { readonly kind: "drain_rest"; readonly epoch: number; readonly stopping: boolean }
  /** What `epoch` has not opened is not kept for it any more; `inTime`: it had all of its time. */
  | { readonly kind: "give_up_late"; readonly epoch: number; readonly inTime: boolean }
  | { readonly kind: "signal_stop"; readonly epoch: number }
  /** `overdue`: it had its time, or somebody insists; people want to know whom it met. */
  | { readonly kind: "kill"; readonly epoch: number; readonly overdue?: true }
  /** Its members are not needed any more. */
  | { readonly kind: "retire"; readonly epoch: number }
  /** A failed heir: what it held belongs to the crashed generation `to` again. */
  | { readonly kind: "return_members"; readonly epoch: number; readonly to: number }
  /** From here on drains have that much less time: those under way, those to come, and what counts on it. */
  | { readonly kind: "shorten_drains"; readonly byMs: number }
  | { readonly kind: "arm"; readonly timer: ConfiguredTimer; readonly epoch: number }
  | { readonly kind: "arm_bake"; readonly epoch: number; readonly delayMs: number }
  | { readonly kind: "disarm"; readonly timer: GenerationTimer; readonly epoch: number }
  | { readonly kind: "arm_backoff"; readonly delayMs: number }
  | { readonly kind: "disarm_backoff" }
  | {
    readonly kind: "reload_result";
    readonly requests: readonly number[];
    readonly epoch: number | null;
    readonly result: "ok" | "failed" | "refused";
    readonly reason: string | null;
  }
  /** Start the new baton and give it the listeners; nothing of ours changes until it answers. */
  | { readonly kind: "begin_upgrade"; readonly inPlace: boolean }
  /** End the new baton, if it is there. */
  | { readonly kind: "abort_upgrade" }
  /** New connections go to `epoch` again, whose drain is over. */
  | { readonly kind: "take_back"; readonly epoch: number }
  | {
    readonly kind: "upgrade_result";
    readonly requests: readonly number[];
    readonly result: "ok" | "failed" | "refused";
    readonly reason: string | null;
  }
  | { readonly kind: "notice"; readonly text: string }
  /** Everything is gone: end baton with this status. */
  | { readonly kind: "finish"; readonly status: number };
