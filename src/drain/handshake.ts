/**
 * Connections on which the server's latest data may have been session tickets, and no answer. Pure.
 *
 * With TLS 1.3 a server sends tickets when the client has finished the handshake (RFC 8446, 4.6.1), and the client's first
 * request comes with that end, before them. What the server has sent last is then no answer, and the first answer may take
 * its time. From outside, neither order nor size tells it from a first answer; so what looks like such a beginning
 * has no known order. A connection of the same port that was answered after less than a handshake shows that there is no
 * TLS at that port.
 */
import type { TcpSocket, TcpTraffic } from "../platform/network/sock_diag.ts";

/** What the client has sent after its first request: hello, finished, and what HTTP/2 begins with. */
const MOST_SEGMENTS = 6;
/** Least bytes of a client's hello, its *finished* and a request; and of a server's part with two tickets. */
const LEAST_RECEIVED = 250;
const LEAST_SENT = 400;
/** Least bytes of a client's hello alone. */
const LEAST_HELLO = 150;
/** Longest time from the client's *finished* to the tickets, which are sent at once. */
const MOST_LAG_MS = 100;
/** A handshake is never silent for so long. */
const SILENT_MS = 1_000;

export function mayBeTickets(traffic: TcpTraffic): boolean {
  const { segmentsReceived = 0, bytesReceived, bytesAcked, sinceSentMs, sinceReceivedMs } = traffic;
  return segmentsReceived > 1 && segmentsReceived <= MOST_SEGMENTS &&
    bytesReceived >= LEAST_RECEIVED && bytesAcked >= LEAST_SENT &&
    sinceReceivedMs - sinceSentMs <= MOST_LAG_MS;
}

/** @returns local ports that are seen to have no TLS */
export function portsWithoutTls(sockets: readonly TcpSocket[]): Set<number> {
  return new Set(sockets.filter(isPlain).map(({ local }) => local.port));
}

function isPlain({ inode, traffic }: TcpSocket): boolean {
  if (inode === 0 || traffic === null || traffic.segmentsReceived !== 1) return false;
  const { bytesReceived, bytesAcked, sinceSentMs, sinceReceivedMs } = traffic;
  const isHello = bytesReceived >= LEAST_HELLO && bytesAcked >= LEAST_SENT;
  return bytesAcked > 0 && !isHello && Math.min(sinceSentMs, sinceReceivedMs) >= SILENT_MS;
}
