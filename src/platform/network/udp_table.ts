/** UDP sockets of this network namespace as /proc/net shows them, proc_pid_net(5): for every user. */
import { orNull } from "../error.ts";
import { formatHost, type InetAddress } from "./address.ts";
import { linesOf } from "./net_table.ts";

export interface UdpSocket {
  /** Address and port that it is bound to, as the kernel prints them. */
  readonly local: string;
  /** Bytes of datagrams that no process has read, with the kernel's own overhead. */
  readonly receiveQueue: number;
  /** Low 32 bits of the inode, as inet_diag has them. */
  readonly inode: number;
}

/** The state of a socket that is not connected: TCP_CLOSE in include/net/tcp_states.h. */
const UNCONNECTED = "07";
const ROW =
  /^ *\d+: ([0-9A-F]+:[0-9A-F]+) [0-9A-F]+:[0-9A-F]+ ([0-9A-F]{2}) [0-9A-F]+:([0-9A-F]+)(?: +\S+){3} +\S+ +(\d+)/gm;

/**
 * The sockets that are not connected. Empty where the tables cannot be read. Between two reads of one table the kernel
 * remembers a place in it, not a socket (udp_seq_start): if another socket is closed then, one of those that stay is
 * missed. So each table is read twice, and what either read has shown is there.
 */
export function udpSockets(read: (path: string) => string | null = readTable): UdpSocket[] {
  const found = new Map<string, UdpSocket>();
  for (const path of ["/proc/self/net/udp", "/proc/self/net/udp6"]) {
    for (const row of [path, path].flatMap((each) => parseRows(read(each) ?? ""))) {
      const key = `${row.local} ${row.inode}`;
      const receiveQueue = Math.max(row.receiveQueue, found.get(key)?.receiveQueue ?? 0);
      found.set(key, { ...row, receiveQueue });
    }
  }
  return [...found.values()];
}

function readTable(path: string): string | null {
  return orNull(() => [...linesOf(path)].join(""));
}

/** Bytes that wait to be read in one socket, with the kernel's overhead. */
export function unreadDatagrams(inode: number): number {
  return udpSockets().find((socket) => socket.inode === inode)?.receiveQueue ?? 0;
}

/** @param local as the kernel prints it: words of the address as numbers of this machine, which is little endian */
export function udpAddress(local: string): InetAddress {
  const [words = "", port = ""] = local.split(":");
  const bytes = Uint8Array.fromHex(words.replace(/(..)(..)(..)(..)/g, "$4$3$2$1"));
  const family = bytes.length === 4 ? "inet" : "inet6";
  return { family, host: formatHost(bytes), port: parseInt(port, 16), scope: 0 };
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
