/**
 * Asks a UDP server whether it speaks QUIC, without any cryptography: to a first packet of a version that does not exist
 * it must answer with a Version Negotiation packet (RFC 9000 section 6, RFC 8999 section 6). Another protocol's server
 * answers something else, or nothing.
 */
import { SystemCallError } from "../../platform/error.ts";
import { encodeAddress, type InetAddress, reachable } from "../../platform/network/address.ts";
import { udpSocket } from "../../platform/network/udp_socket.ts";
import type { Platform } from "../../platform/platform.ts";
import { isVersionNegotiation, QUESTION_BYTES, versionQuestion } from "./quic.ts";

const ID_BYTES = 8;
const ANSWER_MS = 5_000;

/** Calls `onQuic` if the server speaks QUIC; the question costs it one datagram. */
export function askForQuic(platform: Platform, address: InetAddress, onQuic: () => void): void {
  const { sockets, libc, reactor, clock } = platform;
  const ids = { destination: randomId(), source: randomId() };
  const socket = udpSocket(sockets, address.family);
  const end = () => {
    timer.cancel();
    watch.cancel();
    socket.close();
  };
  const timer = clock.after(ANSWER_MS, () => end());
  const watch = reactor.watch(socket, () => {
    let isQuic = false;
    try {
      isQuic = isVersionNegotiation(sockets.peek(socket, new Uint8Array(QUESTION_BYTES)), ids);
    } catch (error) {
      // ECONNREFUSED: no server is there any more.
      if (!(error instanceof SystemCallError)) throw error;
    }
    end();
    if (isQuic) onQuic();
  });
  const question = versionQuestion(ids);
  const target = encodeAddress(reachable(address));
  // Where either fails there is no answer.
  libc.c.connect(socket.number, target, target.length);
  libc.c.send(socket.number, question, question.length, 0);
}

function randomId(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(ID_BYTES));
}
