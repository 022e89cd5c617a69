/**
 * What a listener is to the service, by the process that opens it. Pure.
 *
 * Of the service are the listeners of the leading process, and of the workers that were there when the generation had
 * passed its gate. What a client's session opens (a data port of FTP, `ssh -R`) is its own: its clients know the port
 * from that session, no other generation can answer there, and it ends with the session.
 */
interface Opener {
  readonly isLeader: boolean;
  /** Whether it was started after its generation had passed its gate. */
  readonly cameAfterGate: boolean;
  /** Whether it descends from a process that listens for the service. */
  readonly isBelowListener: boolean;
  /** Whether it has a connection open that a listener of the service has accepted. */
  readonly hasConnection: boolean;
}

export type OpenerRole =
  | "standing"
  /** The process may be a worker, or may go soon: its listener is kept while it lives. */
  | "passing"
  /** A connection has caused it: baton leaves its listener alone. */
  | "session";

export function roleOf(
  { isLeader, cameAfterGate, isBelowListener, hasConnection }: Opener,
): OpenerRole {
  if (isLeader || !cameAfterGate || !isBelowListener) return "standing";
  return hasConnection ? "session" : "passing";
}
