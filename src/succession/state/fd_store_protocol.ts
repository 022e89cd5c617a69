/**
 * What a baton with --survive tells its holder, and the holder the next baton.
 *
 * To the holder, over a pair of SOCK_SEQPACKET sockets, one message a packet: `put` with a descriptor,
 * `drop`, `listen`, `save` with a memfd that holds a `ResumeState`. The state that was saved last and the
 * descriptors that were put by then are what the next baton gets: `items` with as many descriptors as
 * names, any number of times, then `state`. When that one has put everything into a holder of its own
 * it answers `taken`, and the holder ends.
 */

/** Hidden verb that makes a baton a holder; arguments: number of its socket, path, "new" or "next". */
export const HOLD_VERB = "__hold";
/** Longest message of either socket: a few dozen names. */
export const HOLD_MESSAGE_LIMIT = 16 * 1024;
/** Descriptors in one message to the next baton. */
export const ITEMS_AT_A_TIME = 32;

export type FdStoreOrder =
  | { readonly kind: "put"; readonly name: string }
  | { readonly kind: "drop"; readonly name: string }
  | { readonly kind: "save" }
  /** The socket at its path was removed: another one is to be there. */
  | { readonly kind: "listen" }
  /** The service has ended: nothing is to be held any more. */
  | { readonly kind: "end" };

export type FdStoreReply =
  /** To its own baton: it waits at its path. */
  | { readonly kind: "holds" }
  | { readonly kind: "items"; readonly names: readonly string[] }
  | { readonly kind: "state" };

export type FdStoreRequest = { readonly kind: "taken" };

export function encodeMessage(message: FdStoreOrder | FdStoreReply | FdStoreRequest): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(message));
}

/** @returns null at the end of the connection */
export function decodeMessage<T extends { kind: string }>(data: Uint8Array): T | null {
  return data.length === 0 ? null : JSON.parse(new TextDecoder().decode(data)) as T;
}
