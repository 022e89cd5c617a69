/** UDP sockets of this network namespace as /proc/net shows them, proc_pid_net(5): for every user. */
import { readText } from "../process/proc.ts";

export interface UdpSocket {
  /** Address and port that it is bound to, as the kernel prints them. */
  readonly local: string;
  /** Bytes of datagrams that no process has read, with the kernel's own overhead. */
  readonly receiveQueue: number;
  /** Low 32 bits, as inet_diag has them. */
  readonly inode: number;
}

/** The state of a socket that is not connected: TCP_CLOSE in include/net/tcp_states.h. */
const UNCONNECTED = "07";
const ROW =
  /^ *\d+: ([0-9A-F]+:[0-9A-F]+) [0-9A-F]+:[0-9A-F]+ ([0-9A-F]{2}) [0-9A-F]+:([0-9A-F]+)(?: +\S+){3} +\S+ +(\d+)/gm;

/** Those that are not connected. Empty where the tables cannot be read. */
export function udpSockets(read: (path: string) => string | null = readText): UdpSocket[] {
  return ["/proc/net/udp", "/proc/net/udp6"].flatMap((path) => parseRows(read(path) ?? ""));
}

function parseRows(text: string): UdpSocket[] {
  return [...text.matchAll(ROW)]
    .filter(([, , state]) => state === UNCONNECTED)
    .map(([, local = "", , queue = "", inode]) => ({
      local,
      receiveQueue: parseInt(queue, 16),
      inode: Number(inode) >>> 0,
    }));
}
