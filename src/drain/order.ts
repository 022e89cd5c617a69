/**
 * Who has sent last on a connection, as far as ages and counters of the kernel tell. Pure.
 *
 * Ages have the resolution of a tick (4 ms at HZ=250). When the last send and the last receive fall into the same tick, what
 * the kernel does about acknowledgments gives their order. All that it has received is acknowledged after 200 ms at most
 * (TCP_DELACK_MAX): by data, if the server has sent any since, else by a segment without data, which it counts.
 *
 * - A first look was taken before the last request came, and no such segment has gone out since: data went out after it.
 * - The connection is in the kernel's interactive mode ("pingpong"): it is entered when data follows what was received, and
 *   left when 200 ms pass without. Only two segments in a row are acknowledged at once in that mode; so with one such
 *   acknowledgment in all, which is that of the first data ever received, the last data was the server's.
 *
 * What this rests on: tcp_input.c and tcp_output.c of Linux 5.10 to 6.18 (__tcp_ack_snd_check, tcp_event_data_sent,
 * tcp_delack_timer_handler). One case escapes: a server that speaks first, and sets TCP_QUICKACK to 0 itself after a request
 * has come in the very tick of its greeting.
 */
import { C } from "../platform/libc/constants.ts";
import type { TcpSocket, TcpTraffic } from "../platform/network/sock_diag.ts";
import type { Track } from "./track.ts";

type SampledSocket = Pick<TcpSocket, "state" | "receiveQueue" | "sendQueue" | "traffic">;

/** Who has sent last. "unknown": both have, in the same tick; null: neither has sent anything. */
type LastSender = "client" | "server" | "unknown" | null;

/** What was received this long ago is acknowledged: TCP_DELACK_MAX, and by what a busy machine is late. */
export const ACKNOWLEDGED_MS = 350;
/**
 * After this silence the kernel is asked for the mode. Between two looks the silence may seem shorter by what a look
 * takes.
 */
export const ASK_MODE_MS = 450;
/** Acknowledgments without data for the first data that is ever received: it is acknowledged at once. */
const FIRST_ACK = 1;

/**
 * @returns who has sent last; data in a queue counts as the client's, because an answer is owed
 * @param track of the same connection, including this sample
 */
export function lastSender(socket: SampledSocket, track: Track | null): LastSender {
  const { traffic, receiveQueue, sendQueue } = socket;
  if (receiveQueue > 0 || sendQueue > 0 || traffic === null) return "client";
  if (traffic.bytesReceived === 0) return traffic.bytesAcked === 0 ? null : "server";
  if (traffic.bytesAcked === 0 || traffic.sinceReceivedMs < traffic.sinceSentMs) return "client";
  if (traffic.sinceSentMs < traffic.sinceReceivedMs) return "server";
  if (traffic.sinceAckMs < traffic.sinceReceivedMs) return "server";
  return track !== null && isAnswered(socket, traffic, track) ? "server" : "unknown";
}

/** Whether the server has sent last, where the last receive and the last send fell into one tick. */
function isAnswered(
  { state }: Pick<SampledSocket, "state">,
  traffic: TcpTraffic,
  track: Track,
): boolean {
  const { first } = track;
  const isNewlySent = traffic.bytesAcked > first.bytesWritten;
  if (isNewlySent && first.bytesReceived === traffic.bytesReceived) return true;
  if (traffic.sinceSentMs < ACKNOWLEDGED_MS) return false;
  const { acksSent, segmentsReceived = 0 } = traffic;
  if (acksSent === undefined) return false;
  const isNew = segmentsReceived > (first.segmentsReceived ?? Infinity);
  if (isNew && acksSent === first.acksSent) return true;
  return mayBeInteractive(state, traffic) && track.interactiveAtMs !== null &&
    track.interactiveAtMs - movedAtMs(track) >= ACKNOWLEDGED_MS;
}

function movedAtMs({ sentAtMs, receivedAtMs }: Track): number {
  return Math.max(sentAtMs, receivedAtMs);
}

/**
 * In interactive mode the last data of such a connection was the server's. A FIN of the client's begins that mode by itself
 * (tcp_fin()), and with data in its segment it is acknowledged in it at once.
 */
function mayBeInteractive(
  state: number,
  { acksSent = Infinity, hasSynData = true }: TcpTraffic,
): boolean {
  return state === C.TCP_ESTABLISHED && acksSent <= FIRST_ACK && !hasSynData;
}

/** Whether the mode would tell who sent last, and was not asked for since anything moved. */
export function mayNeedMode(socket: SampledSocket, track: Track): boolean {
  const { state, traffic } = socket;
  return traffic !== null && lastSender(socket, track) === "unknown" &&
    mayBeInteractive(state, traffic) &&
    track.modeAskedAtMs < movedAtMs(track) + ACKNOWLEDGED_MS;
}
