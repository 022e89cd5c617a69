/** The two vocabularies of the core: what has happened (events) and what to do (effects). Pure. */

import type { Generation } from "./generation.ts";
import type { Order, PlanSource } from "./order.ts";
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
  /** A person at its terminal has ended it: it is not started again, whatever its status. */
  readonly isFinal?: boolean;
  /** baton itself was killed while it started: no fault of the server. */
  readonly isLost?: true;
  /** Connections that still owed a response when they ended. */
  readonly cut?: number;
}

export type ServiceEvent = Readonly<
  | { kind: "start" }
  /** `request` identifies the caller that waits for the result; `rollout` or `order` missing: as configured. */
  /** `undivided`: where the service listens and new connections cannot be shared out. */
  | {
    kind: "reload_requested";
    request: number;
    rollout?: Rollout;
    order?: Order;
    undivided?: readonly string[];
  }
  /** Ends the trial: all new connections go to the candidate, and the generation before drains. */
  | { kind: "promote_requested"; request: number }
  /** Ends the trial: the candidate drains. */
  | { kind: "rollback_requested"; request: number }
  /** The candidate gets this share of the new connections, until the next request. */
  | { kind: "share_requested"; request: number; percent: number }
  /** An operator wants another number of workers; `relative`: so many more than there are. */
  | { kind: "scale_requested"; request: number; workers: number; relative: boolean }
  /**
   * TERM, INT, QUIT or `baton stop`; the second and third time mean more.
   * `spentMs`: part of the drain time that an earlier wait has used up.
   */
  | { kind: "stop_requested"; spentMs?: number }
  /** Hand everything over to a new baton process, or become a new program (`inPlace`). */
  | { kind: "upgrade_requested"; request: number; inPlace: boolean }
  /** The new baton exited or gave up before it had taken over. */
  | { kind: "upgrade_failed"; reason: string }
  /** The new baton's own generation serves. `successor`: its name, if that is another one. */
  | { kind: "handed_over"; successor?: string }
  /** The new baton exited after that: serve again, unless the generation has got its stop signal. */
  | { kind: "handed_back" }
  /**
   * The predecessor was killed and its servers still run: they belong to this baton now.
   * `draining`: those of generations before the serving one.
   */
  | { kind: "orphans_adopted"; draining: readonly Generation[] }
  /** Nothing vetoes the start of a candidate that waits. */
  | { kind: "admitted"; epoch: number }
  /** A candidate has its first listener. */
  | { kind: "listening"; epoch: number }
  /** A candidate has passed its gate. */
  | { kind: "ready"; epoch: number }
  /** The predecessor has stopped steering connections, so `epoch` may serve. */
  | { kind: "takeover_granted"; epoch: number }
  /** A candidate could not be launched, timed out, listens elsewhere, or was vetoed by a hook. */
  | { kind: "failed"; epoch: number; reason: string; status: number; isLost?: true }
  /** The ramp has come to this share. */
  | { kind: "ramped"; epoch: number; percent: number }
  /** Exactly this many workers have passed the gate, and no other one is left. */
  | { kind: "scaled"; epoch: number; workers: number }
  | { kind: "bake_elapsed"; epoch: number }
  /**
   * Checks of a generation that has passed its gate fail now. `deaf`: none of its processes has its listeners any more.
   * `worker`: the checks of this one fail, and others of its generation are well.
   */
  | { kind: "unhealthy"; epoch: number; reason: string; deaf?: true; worker?: number }
  /** One of its workers has exited, and others live. */
  | { kind: "worker_exited"; epoch: number; worker: number; reason: string; status: number }
  /** A worker was asked to say goodbye to its clients, or to stop saying so; `failure` null: the call has worked. */
  | { kind: "drain_called"; epoch: number; worker: number; call: string; failure: string | null }
  /** Its accept queue is empty, and its connections are idle or gone. */
  | { kind: "drained"; epoch: number }
  | { kind: "drain_timed_out"; epoch: number }
  | { kind: "stop_timed_out"; epoch: number }
  /** The serving generation has run long enough to forget earlier crashes. */
  | { kind: "healthy"; epoch: number }
  /**
   * The serving generation does not listen yet at some address where the one before it did.
   * `standIns`: generations that still accept there.
   */
  | { kind: "behind"; epoch: number; standIns: readonly number[] }
  /** The serving generation listens now at all addresses where the one before it did. */
  | { kind: "caught_up"; epoch: number }
  /** The serving generation still does not listen at all of them, and its time for that is over. */
  | { kind: "late_timed_out"; epoch: number }
  /** A candidate has failed beside the serving generation, so long ago that an exit from now on is not its doing. */
  | { kind: "aftermath_timed_out"; epoch: number }
  | { kind: "exited"; epoch: number; exit: ExitReport }
  | { kind: "backoff_elapsed" }
>;

/** What can happen to one generation. */
export type GenerationEvent = Extract<ServiceEvent, { epoch: number }>;

/** Timers with the same delay for all generations. */
export type ConfiguredTimer = "ready" | "drain" | "stop" | "health" | "late" | "aftermath";
export type GenerationTimer = ConfiguredTimer | "bake";

export type ServiceEffect = Readonly<
  /**
   * A replacement of a crashed generation gets that one's listeners with their queues. `waits`: only find out whether
   * something vetoes it, and dispatch `admitted`.
   */
  | {
    kind: "spawn";
    epoch: number;
    replaces: number | null;
    plan: PlanSource;
    waits: boolean;
    workers: number;
  }
  /** Start the process of a candidate that waited. */
  | { kind: "launch"; epoch: number; replaces: number | null; plan: PlanSource; workers: number }
  /** Start or drain workers until there are so many; dispatches `scaled`. */
  | { kind: "scale"; epoch: number; workers: number }
  | {
    kind: "scale_result";
    requests: readonly number[];
    result: "ok" | "failed" | "refused";
    /** How many workers the generation has. */
    workers: number;
    reason: string | null;
  }
  /**
   * From here on new connections to `epoch` wait in queues of baton's own, for `candidate`; dispatches `failed` about
   * that one where this is impossible.
   */
  | { kind: "hold"; epoch: number; candidate: number }
  /** The service ends: clients that wait in the queues of `hold` are refused. */
  | { kind: "release"; epoch: number }
  /** `epoch` has exited: the queues of `hold` are its listeners now. */
  | { kind: "vacate"; epoch: number }
  /** Keep the last output of a failed candidate, whose reload is answered later. */
  | { kind: "keep_output"; epoch: number }
  /** What `epoch` was started with is the last good plan from now on. */
  | { kind: "good_plan"; epoch: number }
  /** A candidate that has started already becomes the replacement of a crashed generation. */
  | { kind: "replace_crashed"; epoch: number; replaces: number }
  /** Ask the predecessor to stop steering connections; dispatches `takeover_granted`. */
  | { kind: "request_takeover"; epoch: number }
  /**
   * THE POINT OF NO RETURN: from here on new connections go to `epoch`.
   * `after`: the generation that served, or crashed, before it.
   */
  | { kind: "switch"; epoch: number; after: number | null }
  /** Steer this share of the new connections to the generation on trial, and the rest to the serving one. */
  | { kind: "share"; epoch: number; percent: number }
  /** Dispatch `ramped` repeatedly, from this share up to 100. */
  | { kind: "begin_ramp"; epoch: number; percent: number; durationMs: number }
  | { kind: "end_ramp"; epoch: number }
  /** For the record: the serving generation is the one before again. */
  | { kind: "rolled_back"; epoch: number; reason: string }
  /** New connections go to `epoch` again, which drained and has not got its stop signal. */
  | { kind: "steer_back"; epoch: number }
  | {
    kind: "trial_result";
    request: number;
    epoch: number | null;
    result: "ok" | "refused";
    reason: string | null;
  }
  /** Watch its connections end; dispatches `drained`. */
  | { kind: "drain"; epoch: number; stopping: boolean }
  /** `epoch` need not stand in any more: watch its connections once more; dispatches `drained`. */
  | { kind: "drain_rest"; epoch: number; stopping: boolean }
  /** Stop keeping listeners that `epoch` has not opened; `inTime`: it had its full time to do so. */
  | { kind: "give_up_late"; epoch: number; inTime: boolean }
  | { kind: "signal_stop"; epoch: number }
  /** `overdue`: its time is over, or a stop was requested three times; log which processes are killed. */
  | { kind: "kill"; epoch: number; overdue?: true }
  /** Another worker takes the place of this one, which has exited, or is to drain. */
  | { kind: "replace_worker"; epoch: number; worker: number }
  /** Release its listeners and its record. */
  | { kind: "retire"; epoch: number }
  /** Retire a failed replacement, and return its listeners to the crashed generation `to`. */
  | { kind: "return_members"; epoch: number; to: number }
  /** Shorten the time of all drains, running and future, by this much. */
  | { kind: "shorten_drains"; byMs: number }
  | { kind: "arm"; timer: ConfiguredTimer; epoch: number }
  | { kind: "arm_bake"; epoch: number; delayMs: number }
  | { kind: "disarm"; timer: GenerationTimer; epoch: number }
  | { kind: "arm_backoff"; delayMs: number }
  | { kind: "disarm_backoff" }
  | {
    kind: "reload_result";
    requests: readonly number[];
    epoch: number | null;
    result: "ok" | "failed" | "refused";
    reason: string | null;
    /** With a failure: the generation that serves in place of the one that failed, with the version before it. */
    restored?: number;
  }
  /** Start the new baton and pass it the listeners; this baton does not change until the new one answers. */
  | { kind: "begin_upgrade"; inPlace: boolean }
  | { kind: "abort_upgrade" }
  /** New connections go to `epoch` again, whose drain is over. */
  | { kind: "take_back"; epoch: number }
  | {
    kind: "upgrade_result";
    requests: readonly number[];
    result: "ok" | "failed" | "refused";
    reason: string | null;
  }
  | { kind: "notice"; text: string }
  /** Everything is gone: exit with this status. */
  | { kind: "finish"; status: number }
>;

/** What carries out each kind of effect; `state`: after the step that asked for it. */
export type EffectHandlers = {
  readonly [K in ServiceEffect["kind"]]: (
    effect: Extract<ServiceEffect, { kind: K }>,
    state: ServiceState,
  ) => void;
};
