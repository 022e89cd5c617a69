/**
 * What a baton with --survive says to its fd-store process, and that process to the next instance.
 *
 * To the fd-store process, over a pair of SOCK_SEQPACKET sockets, one message a packet: `put` with a descriptor,
 * `drop`, `listen`, `save` with a memfd that holds a `ResumeState`. The next instance gets the state that was saved
 * last, and the descriptors that were put by then: `items` with as many descriptors as names, any number of times, then
 * `state`. When it has put everything into an fd-store process of its own it answers `taken`, and the old one exits.
 */
import * as v from "valibot";
import type { Fd } from "../../platform/fd.ts";
import type { Descriptors, Message } from "../../platform/network/passed_descriptors.ts";
import * as f from "./fields.ts";

/** Hidden verb that makes a baton an fd-store process; arguments: number of its socket, path, "new" or "next". */
export const HOLD_VERB = "__hold";
/** A few dozen names. */
const MESSAGE_LIMIT = 16 * 1024;
export const ITEMS_AT_A_TIME = 32;

export const ORDER = f.lazyVariant("kind", () => [
  f.object({ kind: v.literal("put"), name: f.name }),
  f.object({ kind: v.literal("drop"), name: f.name }),
  f.object({ kind: v.literal("save") }),
  /** The socket at its path was removed: listen there again. */
  f.object({ kind: v.literal("listen") }),
  /** The service has ended: nothing needs to be held any more. */
  f.object({ kind: v.literal("end") }),
], "an order");

export const REPLY = f.lazyVariant("kind", () => [
  /** To its own baton: it listens at its path. */
  f.object({ kind: v.literal("holds") }),
  f.object({ kind: v.literal("items"), names: f.list(f.name, ITEMS_AT_A_TIME) }),
  f.object({ kind: v.literal("state") }),
], "a reply");

export const ACKNOWLEDGMENT = f.lazyObject(() => ({ kind: v.literal("taken") }));

export type FdStoreOrder = v.InferOutput<typeof ORDER>;
export type FdStoreReply = v.InferOutput<typeof REPLY>;
export const TAKEN: v.InferOutput<typeof ACKNOWLEDGMENT> = { kind: "taken" };

/** Blocks. @returns null at the end of the connection; a peer that was killed with messages unread leaves ECONNRESET */
export function receiveMessage(descriptors: Descriptors, socket: Fd): Message | null {
  try {
    const message = descriptors.receive(socket, MESSAGE_LIMIT);
    return message?.data.length === 0 ? null : message;
  } catch {
    return null;
  }
}
