/** How `--guard` ends: TERM, looks, KILL. Pure. */
import {
  type Effect,
  type Ended,
  exit,
  kill,
  MOST_POLLS,
  POLL_MS,
  print,
  terminate,
} from "./exact.ts";
import {
  candidateOf,
  type GuardedEffect,
  type GuardedState,
  type GuardedStep,
  verdict,
} from "./guarded_state.ts";
import { LINES } from "./lines.ts";

/** The first one lets the newest child finish its requests, the second one does not wait for that. */
export function onStop(state: GuardedState, got: Effect): GuardedStep {
  const candidate = candidateOf(state);
  const newest = state.children.at(-1);
  const said = [got, { kind: "unwatch" } as const, ...verdictOf(state)];
  const stopped = { ...state, isAsked: false };
  if (candidate !== null || newest === undefined || state.isLeaving || state.polls !== null) {
    return terminateAll(stopped, said);
  }
  return {
    state: { ...stopped, isLeaving: true },
    effects: [...said, { kind: "leave" }],
  };
}

/** @param spentMs of the 30 s between the first TERM and KILL */
export function terminateAll(
  state: GuardedState,
  before: readonly GuardedEffect[],
  spentMs = 0,
): GuardedStep {
  return {
    state: { ...state, isLeaving: false, polls: Math.floor(spentMs / POLL_MS) },
    effects: [
      ...before,
      ...state.children.flatMap(({ pid }) => terminate(pid)),
      { kind: "poll", afterMs: 0 },
    ],
  };
}

/** Looks at the children as the original does, but without its wait for the next look where all have ended. */
export function onPoll(state: GuardedState, ended: readonly Ended[]): GuardedStep {
  if (state.polls === null) return { state, effects: [] };
  const children = state.children.filter(({ pid }) => !ended.some((each) => each.pid === pid));
  const next = { ...state, children, polls: state.polls + 1 };
  if (children.length > 0 && state.polls >= MOST_POLLS) {
    return endAll(next, children.map(({ pid }) => print(LINES.notExited(pid))), []);
  }
  return finish(next, []) ?? { state: next, effects: [{ kind: "poll", afterMs: POLL_MS }] };
}

export function finish(
  state: GuardedState,
  before: readonly GuardedEffect[],
): GuardedStep | null {
  if (state.children.length > 0) return null;
  return { state, effects: [...before, print(LINES.allExited), exit(0)] };
}

export function last(
  state: GuardedState,
  before: readonly GuardedEffect[],
  isBad: boolean,
): GuardedStep {
  return { state, effects: [...before, print(LINES.noChildren), exit(isBad ? 1 : 0)] };
}

export function endAll(
  state: GuardedState,
  before: readonly GuardedEffect[],
  after: readonly GuardedEffect[] = [print(LINES.noChildren)],
): GuardedStep {
  return {
    state: { ...state, children: [] },
    effects: [...before, ...state.children.flatMap(({ pid }) => kill(pid)), ...after, exit(1)],
  };
}

/** Answers the reload of a child that is not LIVE when all end: the one before it does not serve on. */
function verdictOf(state: GuardedState): GuardedEffect[] {
  return candidateOf(state) === null ? [] : [verdict(null, "hot-restarter is stopping")];
}
