/**
 * The old baton's side of one takeover: `oldStep(state, event) -> {state, effects}`. Pure: no clock, no socket.
 *
 * Guarantees: before the request `switch` nothing changes that cannot be undone, and every end is a `withdraw`. The
 * lifecycle is asked at most once. After `switched`, the end of the new baton is a `take_back`, never silence.
 */
import { commonVersion, type Request, type VersionRange, versionsText } from "./messages.ts";

export type OldState =
  /** Connected, and has not said hello. */
  | "greeting"
  /** The lifecycle has been asked whether a takeover may begin. */
  | "asked"
  /** Its requests are answered; its generation starts. */
  | "lending"
  /** The program is being attached. */
  | "steering"
  /** New connections go to the new baton; this one drains. */
  | "switched"
  | "closed";

export type OldEvent =
  | { readonly kind: "request"; readonly request: Request }
  | { readonly kind: "malformed"; readonly reason: string }
  /** The lifecycle agrees. */
  | { readonly kind: "accepted" }
  /** The lifecycle disagrees, now or later; or an effect has failed. */
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "steered" }
  | { readonly kind: "timed_out" }
  /** The new baton has closed the socket, or exited. */
  | { readonly kind: "gone" };

/** `step`: for one message; `gate`: for the new generation to get ready; null: no time-out. */
export type OldTimer = "step" | "gate" | null;

export type OldEffect =
  /** Ask the lifecycle; answered by `accepted` or `refused`. */
  | { readonly kind: "ask" }
  | { readonly kind: "send_accepted" }
  | { readonly kind: "send_group"; readonly index: number; readonly from: number }
  | { readonly kind: "send_member"; readonly index: number }
  /** THE POINT OF NO RETURN: answered by `steered`, or `refused` when it cannot be done. */
  | { readonly kind: "steer"; readonly members: readonly number[] }
  | { readonly kind: "send_switched" }
  /** Tell the lifecycle that the new baton serves. */
  | { readonly kind: "hand_over" }
  /** Tell the lifecycle that the takeover has failed. */
  | { readonly kind: "withdraw"; readonly reason: string }
  /** The new baton is gone after the switch: serve again, if still possible. */
  | { readonly kind: "take_back" }
  /** A stop request. */
  | { readonly kind: "stop" }
  | { readonly kind: "send_refused"; readonly reason: string }
  | { readonly kind: "send_not_understood"; readonly name: string }
  | { readonly kind: "arm"; readonly timer: OldTimer }
  | { readonly kind: "close" };

interface OldStep {
  readonly state: OldState;
  readonly effects: readonly OldEffect[];
}

/** @param versions that this baton speaks */
export function oldStep(state: OldState, event: OldEvent, versions: VersionRange): OldStep {
  const unchanged: OldStep = { state, effects: [] };
  if (state === "closed") return unchanged;
  switch (event.kind) {
    case "request":
      return onRequest(state, event.request, versions);
    case "malformed":
      return end(state, `Cannot understand the new baton: ${event.reason}`);
    case "timed_out":
      return end(state, `the new baton was silent for too long while ${DOING[state]}`);
    case "refused":
      return end(state, event.reason);
    case "gone":
      return onGone(state);
    case "accepted":
      if (state !== "asked") return unchanged;
      return {
        state: "lending",
        effects: [{ kind: "send_accepted" }, { kind: "arm", timer: "gate" }],
      };
    case "steered":
      if (state !== "steering") return unchanged;
      return {
        state: "switched",
        effects: [{ kind: "arm", timer: null }, { kind: "hand_over" }, { kind: "send_switched" }],
      };
  }
}

const DOING: Readonly<Record<OldState, string>> = {
  greeting: "saying hello",
  asked: "waiting for our answer",
  lending: "starting its generation",
  steering: "waiting for the switch",
  switched: "serving",
  closed: "gone",
};

function onRequest(state: OldState, request: Request, versions: VersionRange): OldStep {
  if (request.kind === "unknown") {
    return { state, effects: [{ kind: "send_not_understood", name: request.name }] };
  }
  if (request.kind === "hello" && state === "greeting") {
    if (commonVersion(versions, request.versions) !== null) {
      return { state: "asked", effects: [{ kind: "arm", timer: null }, { kind: "ask" }] };
    }
    return end(
      state,
      `the new baton speaks ${versionsText(request.versions)} of the takeover protocol, ` +
        `this one ${versionsText(versions)}`,
    );
  }
  if (request.kind === "failed" && (state === "asked" || state === "lending")) {
    return close([{ kind: "withdraw", reason: request.reason }]);
  }
  if (state === "lending") {
    switch (request.kind) {
      case "group":
        return { state, effects: [{ ...request, kind: "send_group" }] };
      case "member":
        return { state, effects: [{ ...request, kind: "send_member" }] };
      case "switch":
        return { state: "steering", effects: [{ kind: "steer", members: request.members }] };
    }
  }
  // The new one serves already: a message out of place is no reason to end that.
  if (state === "switched") {
    return { state, effects: request.kind === "terminate" ? [{ kind: "stop" }] : [] };
  }
  return end(state, `the new baton sent "${request.kind}" while ${DOING[state]}`);
}

/** Ends the takeover from this side, with the reason for both. */
function end(state: OldState, reason: string): OldStep {
  // The new baton keeps what it has.
  if (state === "switched") return { state, effects: [] };
  const withdraw: OldEffect[] = state === "greeting" ? [] : [{ kind: "withdraw", reason }];
  return close([{ kind: "send_refused", reason }, ...withdraw]);
}

function onGone(state: OldState): OldStep {
  if (state === "greeting") return close([]);
  if (state === "switched") return close([{ kind: "take_back" }]);
  return close([{ kind: "withdraw", reason: "the new baton ended before it served" }]);
}

function close(effects: readonly OldEffect[]): OldStep {
  return {
    state: "closed",
    effects: [{ kind: "arm", timer: null }, ...effects, { kind: "close" }],
  };
}
