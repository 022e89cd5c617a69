/**
 * What an old baton gives the new one that is to replace it, and what the two say to each other.
 *
 * The new baton is a child of the old one. It finds the variable BATON_HANDOVER in its environment,
 * the number of the first of these inherited descriptors:
 *
 *   +0  control socket (SOCK_SEQPACKET), one JSON message a packet; its end means that baton is gone
 *   +1  memfd with a `HandoverState` as JSON
 *   +2  the lock on the service's name, held by both from here on
 *   +3  the members of all listeners, in the order of the state
 *
 * The new one says hello, starts its own generation beside the old one's, and says `serving` once new
 * connections go there, or `failed`. Until then the old one serves and steers nothing; after `serving`
 * it drains and ends. Versions: a state of another version is refused, with both numbers.
 */
import type { GroupAddress, MemberRecord } from "../../steering/member.ts";

export const HANDOVER_ENV = "BATON_HANDOVER";
/** Changes whenever `HandoverState` or the messages do; test/fixtures/handover keeps the old ones. */
export const HANDOVER_VERSION = 1;
export const FIRST_HANDOVER_DESCRIPTOR = 3;
/** Longest message of the control socket. */
export const MESSAGE_LIMIT = 16 * 1024;
/** Longest state: thousands of listeners. */
export const STATE_LIMIT = 4 * 1024 * 1024;

export interface HandoverState {
  readonly version: number;
  readonly name: string;
  /** Of the old baton. */
  readonly batonVersion: string;
  readonly pid: number;
  /** The serving generation. */
  readonly epoch: number;
  /** Of the new baton's first generation: a failed one may still drain, and have members. Earlier batons did not say. */
  readonly nextEpoch?: number;
  readonly servingPid: number | null;
  /** Its process, when it outlives the old baton: --survive, --orphan keep. Earlier batons did not say. */
  readonly survivor?: { readonly pid: number; readonly startTime: number } | null;
  readonly startedAt: string;
  /** It sent READY=1: so must its successor (--ready auto). */
  readonly notified: boolean;
  readonly counters: { readonly ok: number; readonly failed: number; readonly crashes: number };
  readonly groups: readonly {
    readonly address: GroupAddress;
    readonly members: readonly MemberRecord[];
  }[];
}

export type HandoverMessage =
  | { readonly kind: "hello"; readonly version: number; readonly batonVersion: string }
  | { readonly kind: "serving"; readonly epoch: number }
  | { readonly kind: "failed"; readonly reason: string };

/** @throws {Error} that names both versions, or what is malformed */
export function parseState(text: string): HandoverState {
  const state = JSON.parse(text) as Partial<HandoverState>;
  if (state.version !== HANDOVER_VERSION) {
    throw new Error(
      `Cannot take over: the old baton hands over state version ${state.version}, ` +
        `this one (version ${HANDOVER_VERSION}) needs its own`,
    );
  }
  if (typeof state.epoch !== "number" || !Array.isArray(state.groups)) {
    throw new Error("Cannot take over: the old baton's state is incomplete");
  }
  return state as HandoverState;
}

/** @throws {Error} when it is none of the messages */
export function parseMessage(data: Uint8Array): HandoverMessage {
  const message = JSON.parse(new TextDecoder().decode(data)) as HandoverMessage;
  if (!["hello", "serving", "failed"].includes(message.kind)) {
    throw new Error(`Cannot understand message "${message.kind}" of the other baton`);
  }
  return message;
}
