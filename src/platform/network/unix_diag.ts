/**
 * Unix stream sockets as the kernel shows them: sock_diag(7), <linux/unix_diag.h>, and /proc/net/unix where the kernel has
 * no unix_diag. No privilege needed.
 *
 * A connection that a listener has accepted has the listener's own name and node (unix_stream_connect() copies both), and
 * keeps them when the node is renamed or removed. So every connection shows which listener it came from, whatever process
 * has it open. One that waits in a queue is not shown, only counted.
 */
import { SystemCallError } from "../error.ts";
import type { Fd } from "../fd.ts";
import { C } from "../libc/constants.ts";
import { type Libc, struct } from "../libc/libc.ts";
import { readText } from "../process/proc.ts";
import { decodeUnixPath } from "./address.ts";
import { attributesOf, dumpSockets, NLMSG_HEADER_SIZE } from "./netlink.ts";

/** sizeof(struct unix_diag_req), struct unix_diag_msg. */
export const UNIX_REQUEST_SIZE = 24;
export const UNIX_MESSAGE_SIZE = 16;

export interface UnixSocket {
  /** Low 32 bits of the inode number. */
  readonly inode: number;
  readonly isListener: boolean;
  /** What it, or the listener that it came from, was bound to; "@" for the first byte of an abstract name. */
  readonly name: string | null;
  /** Device and inode of that path; null: an abstract name, or unknown. */
  readonly node: string | null;
  /** Inode of the other end; 0: that is closed; null: unknown, or a listener. */
  readonly peer: number | null;
  /** Listener: connections that wait to be accepted. Else: bytes received and not yet read. */
  readonly receiveQueue: number;
  /** Listener: length of its queue. Else: memory of what was written and not yet read by the other end. */
  readonly sendQueue: number;
}

const SHOWN = C.UDIAG_SHOW_NAME | C.UDIAG_SHOW_VFS | C.UDIAG_SHOW_PEER | C.UDIAG_SHOW_RQLEN;
/** Errors that say nothing about the kernel. */
const SHORTAGE: readonly string[] = ["EMFILE", "ENFILE", "ENOMEM"];

/** Sources of a dump: netlink sockets, each of one network namespace. */
interface DiagSource {
  /** The netlink socket of another network namespace, if the service has sockets there. */
  readonly remote: Fd | null;
  open(): Fd;
}

export class UnixDiag {
  constructor(readonly libc: Libc, readonly source: DiagSource) {}

  /** Listeners and connections, of type SOCK_STREAM and SOCK_SEQPACKET. @throws {SystemCallError} */
  sockets(): UnixSocket[] {
    try {
      using own = this.source.open();
      const { remote } = this.source;
      return (remote === null ? [own] : [own, remote]).flatMap((each) => this.#dump(each));
    } catch (error) {
      if (!(error instanceof SystemCallError) || SHORTAGE.includes(error.code)) throw error;
      const text = readText("/proc/self/net/unix");
      if (text === null) throw error;
      return parseUnixSockets(text);
    }
  }

  /** @throws {SystemCallError} ENOENT where the kernel has no unix_diag, so that `sockets()` knows less */
  find(): void {
    using own = this.source.open();
    this.#dump(own);
  }

  #dump(socket: Fd): UnixSocket[] {
    const sockets: UnixSocket[] = [];
    const onMessage = (bytes: Uint8Array, _: DataView, at: number, end: number) =>
      void sockets.push(decodeUnixSocket(bytes.subarray(at, end)));
    dumpSockets(this.libc, socket, encodeRequest(), { subject: "Unix sockets", onMessage });
    return sockets;
  }
}

/** nlmsghdr + unix_diag_req. */
function encodeRequest(): Uint8Array {
  const { bytes, view } = struct(NLMSG_HEADER_SIZE + UNIX_REQUEST_SIZE);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, C.SOCK_DIAG_BY_FAMILY, true);
  view.setUint16(6, C.NLM_F_REQUEST | C.NLM_F_DUMP, true);
  view.setUint8(16, C.AF_UNIX);
  // The kernel uses the numbers of TCP for these states too.
  view.setUint32(20, (1 << C.TCP_ESTABLISHED) | (1 << C.TCP_LISTEN), true);
  view.setUint32(28, SHOWN, true);
  return bytes;
}

/** @param bytes struct unix_diag_msg and its attributes */
function decodeUnixSocket(bytes: Uint8Array): UnixSocket {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const attributes = attributesOf(bytes, UNIX_MESSAGE_SIZE);
  const name = attributes.get(C.UNIX_DIAG_NAME);
  const node = attributes.get(C.UNIX_DIAG_VFS);
  const queues = attributes.get(C.UNIX_DIAG_RQLEN);
  const isListener = view.getUint8(2) === C.TCP_LISTEN;
  return {
    inode: view.getUint32(4, true),
    isListener,
    name: name === undefined ? null : nameIn(name),
    node: node === undefined ? null : `${node.getUint32(4, true)}:${node.getUint32(0, true)}`,
    peer: isListener ? null : attributes.get(C.UNIX_DIAG_PEER)?.getUint32(0, true) ?? null,
    receiveQueue: queues?.getUint32(0, true) ?? 0,
    sendQueue: queues?.getUint32(4, true) ?? 0,
  };
}

function nameIn({ buffer, byteOffset, byteLength }: DataView): string | null {
  // The name, as it would stand behind the family in struct sockaddr_un.
  const address = new Uint8Array(2 + byteLength);
  address.set(new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength), 2);
  return decodeUnixPath(address);
}

/** __SO_ACCEPTCON, include/linux/socket.h; SS_CONNECTED, include/uapi/linux/net.h. */
const ACCEPTS = 0x10000;
const CONNECTED = 3;
const ROW = /^\S+: \S+ \S+ ([0-9A-F]+) ([0-9A-F]+) ([0-9A-F]+) +(\d+)(?: (.+))?$/gm;
const WITH_CONNECTIONS: readonly number[] = [C.SOCK_STREAM, C.SOCK_SEQPACKET];

/**
 * Rows of /proc/net/unix (net/unix/af_unix.c, unix_seq_show()). It shows no lengths of queues, but each connection that
 * waits in one, with the listener's name and without an inode.
 */
function parseUnixSockets(text: string): UnixSocket[] {
  const rows = [...text.matchAll(ROW)].map(([, flags, type, state, inode, name]) => ({
    isListener: (parseInt(flags!, 16) & ACCEPTS) !== 0,
    type: parseInt(type!, 16),
    isConnected: parseInt(state!, 16) === CONNECTED,
    inode: Number(inode) >>> 0,
    name: name ?? null,
  })).filter(({ type }) => WITH_CONNECTIONS.includes(type));
  const waiting = rows.filter(({ inode, isListener }) => inode === 0 && !isListener);
  return rows
    .filter(({ isListener, isConnected, inode }) => isListener || (isConnected && inode !== 0))
    .map(({ inode, isListener, name }) => ({
      inode,
      isListener,
      name,
      node: null,
      peer: null,
      receiveQueue: isListener ? waiting.filter((each) => each.name === name).length : 0,
      sendQueue: 0,
    }));
}
