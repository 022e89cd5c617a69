/** What `--guard` knows of the children, what happens to them, and what is done. Pure. */
import { type Effect, type Ended, type Event, print } from "./exact.ts";
import { own } from "./lines.ts";

/** How far a child is. `late`: it was not LIVE in time, and is left alone because there is no other. */
type Phase = "starting" | "late" | "live";

export interface Child {
  readonly pid: number;
  readonly epoch: number;
  readonly phase: Phase;
  /** Why the child is killed; missing: it is not. */
  readonly doom?: { readonly text: string; readonly isApart: boolean };
}

export interface GuardedState {
  /** The epoch of the next child. */
  readonly epoch: number;
  /** In the order of their start; only the last one may not be LIVE. */
  readonly children: readonly Child[];
  /** Whether a HUP waits for its child. */
  readonly isAsked: boolean;
  /** Whether the newest child finishes its requests after TERM, before all get theirs. */
  readonly isLeaving: boolean;
  /** Looks that were made since TERM; null: not stopping. */
  readonly polls: number | null;
}

export type GuardedEvent =
  | Event
  | { readonly kind: "live"; readonly pid: number }
  /** The newest child has no request left, or cannot be asked, or takes too long. */
  | { readonly kind: "left"; readonly text: string; readonly afterMs: number }
  /** The child was not LIVE in time. */
  | {
    readonly kind: "overdue";
    readonly pid: number;
    readonly text: string;
    /** Whether the child is an Envoy. */
    readonly isEnvoy: boolean;
  }
  /** The child will never take over from the one before it. */
  | { readonly kind: "apart"; readonly pid: number; readonly text: string }
  /** Whether the child is LIVE cannot be seen. */
  | { readonly kind: "unseen"; readonly pid: number; readonly text: string };

export type GuardedEffect =
  | Effect
  /** Look whether the child is LIVE, until one of the events. */
  | { readonly kind: "watch"; readonly pid: number }
  | { readonly kind: "unwatch" }
  /** Ask the newest one to accept nothing more and to finish its requests, until the event `left`. */
  | { readonly kind: "leave" }
  /** Clear the mark that a child left behind, in the memory that this one has. */
  | { readonly kind: "clear"; readonly pid: number }
  /** The outcome of a reload, for those who wait for it. */
  | {
    readonly kind: "verdict";
    /** The child of the reload; null: all are stopped. */
    readonly epoch: number | null;
    readonly failure: string | null;
  };

export interface GuardedStep {
  readonly state: GuardedState;
  readonly effects: readonly GuardedEffect[];
}

export interface GuardOptions {
  /** Whether HUP waits until the child before the newest has ended. */
  readonly waitsForDrain: boolean;
}

export const INITIAL_GUARDED: GuardedState = {
  epoch: 0,
  children: [],
  isAsked: false,
  isLeaving: false,
  polls: null,
};

/** The child that is not LIVE yet; null: there is none. */
export function candidateOf({ children }: GuardedState): Child | null {
  const last = children.at(-1);
  return last === undefined || last.phase === "live" ? null : last;
}

export function verdict(epoch: number | null, failure: string | null): GuardedEffect {
  return { kind: "verdict", epoch, failure };
}

export function endText({ status }: Ended): string {
  return status.kind === "signalled"
    ? `killed with signal ${status.signal}`
    : `exit status ${status.kind === "exited" ? status.code : "unknown"}`;
}

export function say(level: "INFO" | "WARNING" | "ERROR", text: string): Effect {
  return print(own(level, text));
}
