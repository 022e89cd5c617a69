/**
 * `--guard`: Envoy's own hand-over, and children that fail harm no other one. Pure.
 *
 * What follows from Envoy's protocol (docs/envoy.md): epochs follow one another without a gap, so that one that has failed is
 * used again; a child that is not LIVE is ended by KILL, because its answer to TERM ends its parent, too; it leaves a mark
 * behind that keeps all later ones from starting, which is cleared; two that start at once end both. There is no way back
 * once a child is LIVE: then its parent accepts nothing any more.
 */
import { type Ended, endOf, type Event, isNormal, kill, print, reopen } from "./exact.ts";
import { endAll, finish, last, onPoll, onStop, terminateAll } from "./guarded_end.ts";
import {
  candidateOf,
  type Child,
  endText,
  type GuardedEffect,
  type GuardedEvent,
  type GuardedState,
  type GuardedStep,
  type GuardOptions,
  say,
  verdict,
} from "./guarded_state.ts";
import { LINES } from "./lines.ts";

export function stepGuarded(
  state: GuardedState,
  event: GuardedEvent,
  options: GuardOptions,
): GuardedStep {
  switch (event.kind) {
    case "begin":
      return fork(state, [print(LINES.starting(event.target))]);
    case "forked": {
      const { pid } = event;
      const child: Child = { pid, epoch: state.epoch - 1, phase: "starting" };
      return {
        state: { ...state, children: [...state.children, child] },
        effects: [print(LINES.forked(pid)), { kind: "watch", pid }],
      };
    }
    case "not_forked":
      return onNotForked(state, event.text);
    case "signal":
      return onSignal(state, event.signal, options);
    case "children":
      return onChildren(state, event.ended, options);
    case "polled":
      return onPoll(state, event.ended);
    case "live":
      return onLive(state, event.pid, null, options);
    case "left":
      return state.isLeaving
        ? terminateAll(state, [say("INFO", event.text)], event.afterMs)
        : { state, effects: [] };
    case "unseen":
      return onLive(state, event.pid, event.text, options);
    case "overdue":
      return onOverdue(state, event, options);
    case "apart":
      return onApart(state, event.pid, event.text, options);
  }
}

function onNotForked(state: GuardedState, text: string): GuardedStep {
  const epoch = state.epoch - 1;
  const effects: GuardedEffect[] = [verdict(epoch, text), say("ERROR", text)];
  if (state.children.length === 0) return last(state, effects, true);
  return { state: { ...state, epoch }, effects };
}

function onSignal(
  state: GuardedState,
  signal: (Event & { kind: "signal" })["signal"],
  options: GuardOptions,
): GuardedStep {
  const { children, polls } = state;
  switch (signal) {
    case "SIGHUP":
      if (polls !== null || state.isLeaving) {
        return { state, effects: [print(LINES.gotHup), say("INFO", "stopping: no new child")] };
      }
      return startNext({ ...state, isAsked: true }, [print(LINES.gotHup)], options, true);
    case "SIGUSR1": {
      // A young child has no handler yet: the signal would end it, and its logs are new.
      const live = children.filter(({ phase }) => phase === "live");
      return { state, effects: live.flatMap(({ pid }) => reopen(pid)) };
    }
    case "SIGTERM":
    case "SIGINT":
      return onStop(state, print(signal === "SIGTERM" ? LINES.gotTerm : LINES.gotInt));
  }
}

/** Starts the child that was asked for, or says what it waits for, once. */
function startNext(
  state: GuardedState,
  before: readonly GuardedEffect[],
  options: GuardOptions,
  isFirst = false,
): GuardedStep {
  if (!state.isAsked) return { state, effects: before };
  const obstacle = obstacleTo(state, options);
  if (obstacle !== null) {
    const said = isFirst ? [say("INFO", obstacle.text)] : [];
    return { state, effects: [...before, ...said, ...obstacle.effects] };
  }
  const drained = state.children.slice(0, -1);
  const cut = drained.length === 0 ? [] : [
    say("WARNING", `${named(drained)} still drains: Envoy ends it now, despite its --drain-time-s`),
  ];
  return fork({ ...state, isAsked: false }, [...before, ...cut]);
}

/** Why no child can start now, and what is done about that. */
function obstacleTo(
  state: GuardedState,
  { waitsForDrain }: GuardOptions,
): { readonly text: string; readonly effects: readonly GuardedEffect[] } | null {
  const candidate = candidateOf(state);
  if (candidate !== null) {
    const { epoch, phase, pid } = candidate;
    return phase === "starting"
      ? { text: `epoch ${epoch} is not LIVE yet: SIGHUP waits for it`, effects: [] }
      : { text: `epoch ${epoch} is not LIVE: it is replaced`, effects: kill(pid) };
  }
  const drained = state.children.slice(0, -1);
  if (drained.length === 0 || !waitsForDrain) return null;
  return { text: `${named(drained)} still drains: SIGHUP waits for its end`, effects: [] };
}

function named(children: readonly Child[]): string {
  return children.map(({ epoch }) => `epoch ${epoch}`).join(" and ");
}

function fork(state: GuardedState, before: readonly GuardedEffect[]): GuardedStep {
  const { epoch } = state;
  return {
    state: { ...state, epoch: epoch + 1 },
    effects: [...before, print(LINES.forking(epoch)), { kind: "fork", epoch }],
  };
}

function onChildren(
  state: GuardedState,
  ended: readonly Ended[],
  options: GuardOptions,
): GuardedStep {
  const gone = (pid: number) => ended.find((each) => each.pid === pid);
  const said: GuardedEffect[] = [
    print(LINES.gotChld),
    ...ended.map(({ pid, status }) => print(endOf(pid, status))),
  ];
  const left = { ...state, children: state.children.filter(({ pid }) => !gone(pid)) };
  if (state.polls !== null) return finish(left, said) ?? { state: left, effects: said };
  const candidate = candidateOf(state);
  const failure = candidate === null ? undefined : gone(candidate.pid);
  if (candidate !== null && failure !== undefined) {
    return onFailed(left, candidate, failure, said, options);
  }
  const isBad = ended.some(({ status }) => !isNormal(status));
  const newest = state.children.findLast(({ phase }) => phase === "live");
  const newestEnd = newest && gone(newest.pid);
  if (candidate === null && newestEnd !== undefined && !isNormal(newestEnd.status)) {
    return endAll(left, [...said, print(LINES.abnormal)]);
  }
  if (left.children.length === 0) return last(left, said, isBad);
  const serving = left.children.findLast(({ phase }) => phase === "live") ?? candidate;
  const more = isBad && serving !== null && serving !== undefined
    ? [say("WARNING", `the others stay: epoch ${serving.epoch} is the newest`)]
    : [];
  return startNext(left, [...said, ...more], options);
}

/** @param failure the end of `candidate`, which was not LIVE */
function onFailed(
  left: GuardedState,
  candidate: Child,
  failure: Ended,
  said: readonly GuardedEffect[],
  options: GuardOptions,
): GuardedStep {
  const { epoch } = candidate;
  const how = candidate.doom?.text ?? endText(failure);
  const failed: GuardedEffect[] = [...said, { kind: "unwatch" }, verdict(epoch, how)];
  const parent = left.children.at(-1);
  if (parent === undefined) {
    if (left.isAsked) return startNext({ ...left, epoch }, failed, options);
    return last(left, failed, !isNormal(failure.status));
  }
  const text =
    `epoch ${epoch} was never LIVE (${how}): epoch ${parent.epoch} serves on, and the next ` +
    `one has the same number`;
  const effects: GuardedEffect[] = [
    ...failed,
    say("WARNING", text),
    ...candidate.doom?.isApart === true ? [] : [{ kind: "clear", pid: parent.pid } as const],
  ];
  return startNext({ ...left, epoch }, effects, options);
}

function onLive(
  state: GuardedState,
  pid: number,
  doubt: string | null,
  options: GuardOptions,
): GuardedStep {
  const candidate = candidateOf(state);
  if (candidate?.pid !== pid || state.polls !== null) return { state, effects: [] };
  const { epoch } = candidate;
  const children = [...state.children.slice(0, -1), { ...candidate, phase: "live" as const }];
  const said = doubt === null
    ? say("INFO", `epoch ${epoch} is LIVE`)
    : say("ERROR", `cannot see whether epoch ${epoch} is LIVE, and takes it for that: ${doubt}`);
  return startNext(
    { ...state, children },
    [said, { kind: "unwatch" }, verdict(epoch, null)],
    options,
  );
}

function onOverdue(
  state: GuardedState,
  { pid, text, isEnvoy }: GuardedEvent & { kind: "overdue" },
  options: GuardOptions,
): GuardedStep {
  const candidate = candidateOf(state);
  if (candidate?.pid !== pid || state.polls !== null) return { state, effects: [] };
  const { epoch } = candidate;
  const isAlone = state.children.length === 1;
  // This child may serve all the same, and nothing else does.
  if (isAlone && !isEnvoy) return onLive(state, pid, `not LIVE ${text}`, options);
  if (!isAlone || state.isAsked) {
    return doom(state, candidate, { text: `it was not LIVE ${text}`, isApart: false }, [
      say("WARNING", `epoch ${epoch} is not LIVE ${text}: killing it`),
    ]);
  }
  const children = [{ ...candidate, phase: "late" as const }];
  const said = say("WARNING", `epoch ${epoch} is not LIVE ${text}: SIGHUP replaces it`);
  return { state: { ...state, children }, effects: [said] };
}

/** Two Envoys that do not know each other would both serve, each with a configuration of its own, until TERM. */
function onApart(
  state: GuardedState,
  pid: number,
  text: string,
  options: GuardOptions,
): GuardedStep {
  const candidate = candidateOf(state);
  if (candidate?.pid !== pid || state.polls !== null) return { state, effects: [] };
  if (state.children.length === 1) return onLive(state, pid, text, options);
  return doom(state, candidate, { text: `${text} (that needs --safe)`, isApart: true }, [
    say("WARNING", `epoch ${candidate.epoch} cannot take over: ${text}: killing it`),
    { kind: "unwatch" },
  ]);
}

function doom(
  state: GuardedState,
  candidate: Child,
  why: NonNullable<Child["doom"]>,
  before: readonly GuardedEffect[],
): GuardedStep {
  const children = [...state.children.slice(0, -1), { ...candidate, doom: why }];
  return { state: { ...state, children }, effects: [...before, ...kill(candidate.pid)] };
}
