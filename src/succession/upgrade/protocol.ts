/**
 * The handover protocol of an upgrade by a child: what the old baton gives the new one, and what the new one says.
 *
 * The new baton is a child of the old one. The variable BATON_HANDOVER holds the number of the first of these inherited
 * descriptors:
 *
 *   +0  control socket (SOCK_SEQPACKET), one JSON message a packet; when it closes, the other baton is gone
 *   +1  memfd with a `HandoverState` as JSON
 *   +2  the lock on the service's name, which both hold from here on
 *   +3  the members of all listeners, in the order of the state, then what is passed on by name
 *
 * The new one has everything from its first instruction on, so that it can serve even if the old one is killed before
 * they have exchanged a word. It says hello, starts its generation beside the old one's and steers the listeners
 * itself. It says `serving` once new connections go there, or `failed`. Until then the old one serves, and steers
 * nothing; after `serving` it drains and exits, and says `handed_over`: it publishes no events any more. A state of another
 * version is refused with both numbers.
 */
import * as v from "valibot";
import { MAX_WORKERS } from "../../lifecycle/limits.ts";
import * as f from "../state/fields.ts";

export const HANDOVER_ENV = "BATON_HANDOVER";
/** Changes whenever `HandoverState` or the messages do. */
export const HANDOVER_VERSION = 1;

const HANDOVER_STATE = f.lazyObject(() => ({
  version: v.literal(HANDOVER_VERSION),
  name: f.name,
  /** Version of the old baton. */
  batonVersion: f.name,
  pid: f.pid,
  /** The serving generation. */
  epoch: f.epoch,
  /** Epoch of the new baton's first generation: one that failed before may still drain, and have members. */
  nextEpoch: f.epoch,
  /** The number that an operator has asked for; null: as configured. */
  workers: v.nullable(f.int(1, MAX_WORKERS)),
  servingPid: v.nullable(f.pid),
  /** Its workers, where they outlive the old baton: --survive, --orphan keep. */
  survivors: f.list(
    f.object({ pid: f.pid, startTime: f.count, number: f.int(0, MAX_WORKERS - 1) }),
    MAX_WORKERS,
  ),
  startedAt: f.date,
  /** Whether it sent READY=1: then so must its successor (--ready auto). */
  notified: f.flag,
  counters: f.COUNTERS,
  groups: f.list(f.object({ address: f.ADDRESS, members: f.list(f.MEMBER) })),
  /** Names of the descriptors behind those of the members. */
  passedOn: v.exactOptional(f.PASSED_ON),
}));

export const HANDOVER_MESSAGE = f.lazyVariant("kind", () => [
  f.object({ kind: v.literal("hello"), version: f.count, batonVersion: f.name }),
  f.object({ kind: v.literal("serving"), epoch: f.epoch }),
  f.object({ kind: v.literal("failed"), reason: f.reason }),
], "hello, serving or failed");

export type HandoverState = v.InferOutput<typeof HANDOVER_STATE>;
export type HandoverMessage = v.InferOutput<typeof HANDOVER_MESSAGE>;
/** What the state says besides listeners. */
export type HandoverFacts = Omit<HandoverState, "version" | "pid" | "groups" | "passedOn">;

/** @throws {MalformedMessage} that names both versions, or the malformed field */
export function parseState(text: string): HandoverState {
  const cannot = "Cannot take over from the old baton's state";
  const read = () => f.parseJson(v.unknown(), text);
  return f.checkVersion(HANDOVER_STATE, HANDOVER_VERSION, cannot, read);
}
