/**
 * The new baton's side of a takeover: `newStep(state, event) -> {state, effects}`. Pure: no clock, no socket.
 *
 * Guarantees: no request is sent twice. The new generation is promoted only after the old baton has said that it has
 * steered, or has exited. Every other end is `give_up`, or the new generation's own failure, and leaves the old baton
 * as it was: later messages and its exit change nothing.
 */
import type { Reply, Request } from "./messages.ts";

export type NewPhase =
  /** Hello was sent. */
  | "greeting"
  /** The old baton's members are requested, and new ones for this baton. */
  | "collecting"
  /** The new generation starts. */
  | "prepared"
  /** The new generation has passed its gate; the old baton is asked to steer. */
  | "switching"
  /** The new generation serves; the old baton drains. */
  | "serving"
  /** The old baton has exited. */
  | "alone"
  | "failed";

export interface NewState {
  readonly phase: NewPhase;
  /** Whether its server survives the old baton, and the next instance of that continues with it. */
  readonly survives: boolean;
  /** How many groups the old baton has. */
  readonly groups: number;
  /** Requested next: groups in order, then a member in each of `wanted`, for each worker. */
  readonly next: { readonly group: number; readonly from: number };
  readonly wanted: readonly number[];
  /** How many workers the new generation begins with. */
  readonly workers: number;
}

export const NEW_SIDE: NewState = {
  phase: "greeting",
  survives: false,
  groups: 0,
  next: { group: 0, from: 0 },
  wanted: [],
  workers: 1,
};

export type NewEvent =
  | { readonly kind: "reply"; readonly reply: Reply }
  | { readonly kind: "malformed"; readonly reason: string }
  /** The new server listens once more at an address of the old baton. */
  | { readonly kind: "member_needed"; readonly index: number }
  /** `members`: inodes of those that the new server accepts from. */
  | { readonly kind: "gate_passed"; readonly members: readonly number[] }
  /** The old baton must stop now, whatever connections it still has. */
  | { readonly kind: "stop_old" }
  /** The new generation will never serve. The old baton closes the socket when it hears of it. */
  | { readonly kind: "own_failed"; readonly reason: string }
  | { readonly kind: "timed_out" }
  /** The old baton has closed the socket, or exited. */
  | { readonly kind: "gone" };

export type NewEffect =
  | { readonly kind: "ask"; readonly request: Request }
  | { readonly kind: "arm"; readonly timed: boolean }
  | { readonly kind: "keep_offer"; readonly offer: Extract<Reply, { kind: "accepted" }> }
  | { readonly kind: "keep_group"; readonly group: Extract<Reply, { kind: "group" }> }
  | { readonly kind: "keep_member"; readonly member: Extract<Reply, { kind: "member" }> }
  /** Everything has arrived: the generation may start. */
  | { readonly kind: "start" }
  /** A member has arrived: postponed calls of the new server can be answered. */
  | { readonly kind: "resume" }
  /** THE POINT OF NO RETURN: the old baton has steered to this one, which steers from here on. */
  | { readonly kind: "promote"; readonly reply: Extract<Reply, { kind: "switched" }> | null }
  /** The old baton is gone: no other process holds the members. */
  | { readonly kind: "inherit" }
  | { readonly kind: "give_up"; readonly reason: string };

interface NewStep {
  readonly state: NewState;
  readonly effects: readonly NewEffect[];
}

export function newStep(state: NewState, event: NewEvent): NewStep {
  const { phase } = state;
  const unchanged: NewStep = { state, effects: [] };
  if (phase === "failed" || phase === "alone") return unchanged;
  switch (event.kind) {
    case "reply":
      // After the switch no message changes anything.
      return phase === "serving" ? unchanged : onReply(state, event.reply);
    case "malformed":
      if (phase === "serving") return unchanged;
      return fail(state, `Cannot understand the old baton: ${event.reason}`);
    case "timed_out":
      return fail(state, `the old baton did not answer in time: ${WAITING[phase]}`);
    case "gone":
      return onGone(state);
    case "member_needed":
      if (phase !== "prepared") return unchanged;
      return ask(state, { kind: "member", index: event.index });
    case "gate_passed":
      if (phase !== "prepared") return unchanged;
      return ask({ ...state, phase: "switching" }, { kind: "switch", members: event.members });
    case "stop_old":
      if (phase !== "serving") return unchanged;
      return { state, effects: [{ kind: "ask", request: { kind: "terminate" } }] };
    case "own_failed":
      // After the switch the end of this baton is a crash, which the old one notices by itself.
      if (phase === "serving") return unchanged;
      return {
        state: { ...state, phase: "failed" },
        effects: [
          { kind: "arm", timed: false },
          { kind: "ask", request: { kind: "failed", reason: event.reason } },
        ],
      };
  }
}

const WAITING: Readonly<Record<Exclude<NewPhase, "alone" | "failed">, string>> = {
  greeting: "hello",
  collecting: "asked for its listeners",
  prepared: "asked for one more socket",
  switching: "asked to switch",
  serving: "draining",
};

function onReply(state: NewState, reply: Reply): NewStep {
  const { phase } = state;
  switch (reply.kind) {
    case "refused":
      return fail(state, reply.reason);
    case "not_understood":
      return fail(state, `the old baton does not understand "${reply.name}"`);
    case "accepted": {
      if (phase !== "greeting") break;
      const { groups, survives } = reply;
      const keep: NewEffect = { kind: "keep_offer", offer: reply };
      return collect({ ...state, phase: "collecting", groups, survives }, keep);
    }
    case "group":
      if (phase !== "collecting" || reply.index !== state.next.group) break;
      return onGroup(state, reply);
    case "member": {
      const keep: NewEffect = { kind: "keep_member", member: reply };
      if (phase === "prepared" || phase === "switching") {
        const arm: NewEffect[] = phase === "prepared" ? [{ kind: "arm", timed: false }] : [];
        return { state, effects: [...arm, keep, { kind: "resume" }] };
      }
      if (phase !== "collecting" || reply.index !== state.wanted[0]) break;
      return collect({ ...state, wanted: state.wanted.slice(1) }, keep);
    }
    case "switched":
      if (phase !== "switching") break;
      return {
        state: { ...state, phase: "serving" },
        effects: [{ kind: "arm", timed: false }, { kind: "promote", reply }],
      };
  }
  return fail(state, `the old baton said "${reply.kind}", which was not asked for`);
}

function onGroup(state: NewState, reply: Extract<Reply, { kind: "group" }>): NewStep {
  const { index, members, next } = reply;
  const isWanted = members.some(({ receiving, late, dead }) => receiving && !late && !dead);
  const isKnown = state.wanted.includes(index);
  const more = isWanted && !isKnown ? Array.from({ length: state.workers }, () => index) : [];
  const wanted = [...state.wanted, ...more];
  if (next !== null && next <= state.next.from) {
    return fail(state, `the old baton repeats itself at group ${index}`);
  }
  const following = next === null ? { group: index + 1, from: 0 } : { group: index, from: next };
  return collect({ ...state, wanted, next: following }, { kind: "keep_group", group: reply });
}

/** Requests the next missing part, or starts when there is none. */
function collect(state: NewState, keep: NewEffect): NewStep {
  const { next, groups, wanted } = state;
  const request: Request | null = next.group < groups
    ? { kind: "group", index: next.group, from: next.from }
    : wanted[0] !== undefined
    ? { kind: "member", index: wanted[0] }
    : null;
  if (request !== null) return { state, effects: [keep, ...ask(state, request).effects] };
  return {
    state: { ...state, phase: "prepared" },
    effects: [keep, { kind: "arm", timed: false }, { kind: "start" }],
  };
}

function ask(state: NewState, request: Request): NewStep {
  return { state, effects: [{ kind: "ask", request }, { kind: "arm", timed: true }] };
}

function fail(state: NewState, reason: string): NewStep {
  return {
    state: { ...state, phase: "failed" },
    effects: [{ kind: "arm", timed: false }, { kind: "give_up", reason }],
  };
}

function onGone(state: NewState): NewStep {
  const { phase, survives } = state;
  if (phase === "greeting" || phase === "collecting") {
    return fail(state, "the old baton ended during the takeover");
  }
  // The old baton's server continues to serve: a second one at the same socket would be one too many.
  if (phase === "prepared" && survives) {
    return fail(state, "the old baton was killed, and its server serves on");
  }
  // Whether it has steered is unknown. The new generation is ready and this baton holds every member, so it serves.
  const promote: NewEffect[] = phase === "switching" ? [{ kind: "promote", reply: null }] : [];
  return {
    state: { ...state, phase: "alone" },
    effects: [{ kind: "arm", timed: false }, ...promote, { kind: "inherit" }],
  };
}
