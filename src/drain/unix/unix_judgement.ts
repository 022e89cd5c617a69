/**
 * Whether a connection to a Unix socket is busy, as seen from outside the server. Pure.
 *
 * The kernel counts no bytes and keeps no times for them, only what is in the queues now. So one thing is certain: data that
 * has not been read is owed something. Whether a request that was read is answered already cannot be seen. Most clients
 * (nginx without `keepalive`, php-fpm's, uwsgi's) make a connection for each request: then the connection is the request.
 * So one with empty queues is undecided, and waited for until it is closed.
 */
import type { UnixSocket } from "../../platform/network/unix_diag.ts";
import { AMBIGUOUS_QUIET_MS, type Judgement } from "../classify.ts";

/** At the end of the service a client that keeps its connection open would use it until the drain time is over. */
export const STOP_PATIENCE_MS = AMBIGUOUS_QUIET_MS;

/**
 * @param quietMs for how long every look has found its queues empty
 * @param patienceMs for how long that is waited for
 */
export function judgeUnix(
  { receiveQueue, sendQueue, peer }: Pick<UnixSocket, "receiveQueue" | "sendQueue" | "peer">,
  quietMs: number,
  patienceMs: number,
): Judgement {
  // Unread data is waited for even where the client has gone: it may have sent a message that needs no answer.
  if (receiveQueue > 0) return { activity: "busy", blocksDrain: true };
  if (peer === 0) return { activity: "closing", blocksDrain: false };
  if (sendQueue > 0) return { activity: "busy", blocksDrain: true };
  return { activity: "undecided", blocksDrain: quietMs < patienceMs };
}
