/**
 * What Envoy's `hot-restarter.py` does, as a function from a state and an event to effects. Bit for bit, its faults
 * included: HUP starts a child whatever the others do, an abnormal end of one child kills all of them, a second TERM begins
 * the wait again, and a child that starts during the wait gets no TERM. Pure.
 */
import type { ExitStatus } from "../platform/process/wait_status.ts";
import { type Line, LINES } from "./lines.ts";

/** Pause between two looks while children are to exit. */
export const POLL_MS = 1_000;
/** The number of looks; the first one is at once. */
export const MOST_POLLS = 30;

export type Caught = "SIGHUP" | "SIGUSR1" | "SIGTERM" | "SIGINT";
type Sent = "SIGUSR1" | "SIGTERM" | "SIGKILL";

export interface Ended {
  readonly pid: number;
  readonly status: ExitStatus;
}

export type Event =
  | { readonly kind: "begin"; readonly target: string }
  /** The answer to the effect `fork`: a child. */
  | { readonly kind: "forked"; readonly pid: number }
  /** The other answer: there is no memory for a process, or there are as many as there may be. */
  | { readonly kind: "not_forked"; readonly text: string }
  | { readonly kind: "signal"; readonly signal: Caught }
  /** SIGCHLD, and which children of the state have ended, in its order. */
  | { readonly kind: "children"; readonly ended: readonly Ended[] }
  /** The look that the effect `poll` has asked for. */
  | { readonly kind: "polled"; readonly ended: readonly Ended[] };

export type Effect =
  | { readonly kind: "print"; readonly line: Line }
  /** Starts a child, with RESTART_EPOCH in its environment. */
  | { readonly kind: "fork"; readonly epoch: number }
  /** kill(2). @param failed printed when it fails */
  | {
    readonly kind: "kill";
    readonly pid: number;
    readonly signal: Sent;
    readonly failed: Line;
  }
  /** Looks at the children after this time; replaces the look that was asked for before. */
  | { readonly kind: "poll"; readonly afterMs: number }
  /** Ends at once: killed children are not waited for. */
  | { readonly kind: "exit"; readonly status: 0 | 1 };

export interface State {
  /** The epoch of the next child. */
  readonly epoch: number;
  /** Process ids, in the order of their start. */
  readonly children: readonly number[];
  /** Looks that were made since TERM; null: not stopping. */
  readonly polls: number | null;
}

interface Step<S = State, E = Effect> {
  readonly state: S;
  readonly effects: readonly E[];
}

export const INITIAL: State = { epoch: 0, children: [], polls: null };

export function step(state: State, event: Event): Step {
  switch (event.kind) {
    case "begin":
      return fork(state, [print(LINES.starting(event.target))]);
    case "forked":
      return {
        state: { ...state, children: [...state.children, event.pid] },
        effects: [print(LINES.forked(event.pid))],
      };
    case "not_forked":
      // The original does not catch it, and leaves its children alone.
      return { state, effects: [exit(1)] };
    case "signal":
      return onSignal(state, event.signal);
    case "children":
      return onChildren(state, event.ended);
    case "polled":
      return onPoll(state, event.ended);
  }
}

/** From TERM on SIGCHLD means nothing: the looks have the children to themselves. */
function heedsChildren({ polls }: Pick<State, "polls">): boolean {
  return polls === null;
}

function onSignal(state: State, signal: Caught): Step {
  const { children } = state;
  switch (signal) {
    case "SIGHUP":
      return fork(state, [print(LINES.gotHup)]);
    case "SIGUSR1":
      return { state, effects: children.flatMap(reopen) };
    case "SIGTERM":
    case "SIGINT":
      return {
        state: { ...state, polls: 0 },
        effects: [
          print(signal === "SIGTERM" ? LINES.gotTerm : LINES.gotInt),
          ...children.flatMap(terminate),
          { kind: "poll", afterMs: 0 },
        ],
      };
  }
}

function fork(state: State, before: readonly Effect[]): Step {
  const { epoch } = state;
  return {
    state: { ...state, epoch: epoch + 1 },
    effects: [...before, print(LINES.forking(epoch)), { kind: "fork", epoch }],
  };
}

function onChildren(state: State, ended: readonly Ended[]): Step {
  const said = [print(LINES.gotChld), ...ended.map(({ pid, status }) => print(endOf(pid, status)))];
  const left = without(state.children, ended);
  if (ended.some(({ status }) => !isNormal(status))) {
    return killAll({ ...state, children: left }, [...said, print(LINES.abnormal)], [
      print(LINES.noChildren),
    ]);
  }
  const last: Effect[] = left.length > 0 ? [] : [print(LINES.noChildren), exit(0)];
  return { state: { ...state, children: left }, effects: [...said, ...last] };
}

function onPoll(state: State, ended: readonly Ended[]): Step {
  if (state.polls === null) return { state, effects: [] };
  // The time of the last look has passed without another one.
  if (state.polls === MOST_POLLS) {
    return killAll(state, state.children.map((pid) => print(LINES.notExited(pid))), []);
  }
  const children = without(state.children, ended);
  const next = { ...state, children, polls: state.polls + 1 };
  const effects: Effect[] = children.length === 0
    ? [print(LINES.allExited), exit(0)]
    : [{ kind: "poll", afterMs: POLL_MS }];
  return { state: next, effects };
}

/**
 * Whether the looks go on. False: the time is over, and a child that has ended since the last look counts as running.
 */
function looksAgain({ polls }: Pick<State, "polls">): boolean {
  return polls !== null && polls < MOST_POLLS;
}

function killAll(state: State, before: readonly Effect[], after: readonly Effect[]): Step {
  return {
    state: { ...state, children: [] },
    effects: [...before, ...state.children.flatMap(kill), ...after, exit(1)],
  };
}

function without(children: readonly number[], ended: readonly Ended[]): number[] {
  return children.filter((pid) => !ended.some((each) => each.pid === pid));
}

export function isNormal(status: ExitStatus): boolean {
  return status.kind === "exited" && status.code === 0;
}

export function endOf(pid: number, status: ExitStatus): Line {
  return status.kind === "signalled"
    ? LINES.signalled(pid, status.signal)
    : LINES.exited(pid, status.kind === "exited" ? status.code : 1);
}

export function print(line: Line): Effect {
  return { kind: "print", line };
}

export function exit(status: 0 | 1): Effect {
  return { kind: "exit", status };
}

export function reopen(pid: number): Effect[] {
  return [
    print(LINES.sendingUsr1(pid)),
    { kind: "kill", pid, signal: "SIGUSR1", failed: LINES.usr1Failed(pid) },
  ];
}

export function terminate(pid: number): Effect[] {
  return [
    print(LINES.sendingTerm(pid)),
    { kind: "kill", pid, signal: "SIGTERM", failed: LINES.termFailed(pid) },
  ];
}

export function kill(pid: number): Effect[] {
  return [
    print(LINES.killing(pid)),
    { kind: "kill", pid, signal: "SIGKILL", failed: LINES.killFailed(pid) },
  ];
}

/** The functions above with their state, for `Restarter`. */
export class ExactDecider {
  #state = INITIAL;

  get children(): readonly number[] {
    return this.#state.children;
  }

  get heedsChildren(): boolean {
    return heedsChildren(this.#state);
  }

  get looksAgain(): boolean {
    return looksAgain(this.#state);
  }

  openErrors(): null {
    return null;
  }

  decide(event: Event): readonly Effect[] {
    const { state, effects } = step(this.#state, event);
    this.#state = state;
    return effects;
  }
}
