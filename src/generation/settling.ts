/**
 * When a generation that listens has come to rest: it waits for connections, and nothing else happens in it, at two
 * looks in a row. Servers that bind first and check later (a lock, a pid file, a control socket) end before that. Pure.
 *
 * Rest is not always seen: a virtual machine compiles in the background, a worker is busy. Then it is enough that some
 * process has waited for connections for a while. A process that listens and waits for none is still starting.
 */
import type { ListenerUse } from "../process/listener_use.ts";

/** How long a server must wait for connections before that counts, whatever else it does. */
export const SETTLE_MS = 100;
/**
 * How long a generation must have its listener before that counts, where no other serves: its clients wait either way.
 */
export const ALONE_SETTLE_MS = 50;
/** How long a generation may sleep without a listener before it has failed: it may look for a free port, or load. */
const CLOSED_MS = 2_000;

export interface Settling {
  readonly restsSinceMs: number | null;
  readonly acceptsSinceMs: number | null;
  readonly heldSinceMs: number | null;
  readonly closedSinceMs: number | null;
}

const ACCEPTING: readonly ListenerUse[] = ["resting", "accepting", "unseen"];
const HOLDING: readonly ListenerUse[] = ["held", ...ACCEPTING];

export const NOT_SETTLED: Settling = {
  restsSinceMs: null,
  acceptsSinceMs: null,
  heldSinceMs: null,
  closedSinceMs: null,
};

interface SettlingLook {
  readonly atMs: number;
  /** The most that is known of any of its listeners. */
  readonly use: ListenerUse;
  /** Nothing happens in any of its processes. */
  readonly isAsleep: boolean;
  /** No other generation gets connections. */
  readonly isAlone: boolean;
  /** Connections were accepted: those that waited for the replacement of a generation that crashed. */
  readonly hasAccepted: boolean;
}

export function nextSettling(before: Settling, { atMs, use, isAsleep }: SettlingLook): Settling {
  const since = (known: number | null, uses: readonly ListenerUse[]) =>
    uses.includes(use) ? known ?? atMs : null;
  // A busy server is not seen waiting while it works on what it has accepted.
  const isBusy = use === "held" && before.acceptsSinceMs !== null;
  return {
    restsSinceMs: since(before.restsSinceMs, ["resting"]),
    acceptsSinceMs: isBusy ? before.acceptsSinceMs : since(before.acceptsSinceMs, ACCEPTING),
    heldSinceMs: since(before.heldSinceMs, HOLDING),
    closedSinceMs: isAsleep ? since(before.closedSinceMs, ["unheld"]) : null,
  };
}

/** `closed`: it has no listener, and will have none. */
export function settlingVerdict(
  { restsSinceMs, acceptsSinceMs, heldSinceMs, closedSinceMs }: Settling,
  { atMs, use, isAlone, hasAccepted }: SettlingLook,
): "rests" | "closed" | "waits" {
  const hasLasted = (sinceMs: number | null, ms: number) =>
    sinceMs !== null && atMs - sinceMs >= ms;
  if (restsSinceMs !== null && restsSinceMs < atMs) return "rests";
  if (ACCEPTING.includes(use) && hasLasted(acceptsSinceMs, SETTLE_MS)) return "rests";
  if (isAlone && hasLasted(heldSinceMs, ALONE_SETTLE_MS)) return "rests";
  if (closedSinceMs !== null) return atMs - closedSinceMs >= CLOSED_MS ? "closed" : "waits";
  return hasAccepted ? "rests" : "waits";
}
