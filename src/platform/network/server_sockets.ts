/** Sockets of other processes: what they are, and how to make one like them. socket(2), tcp(7), xattr(7) */
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { SystemCallError } from "../error.ts";
import { Fd } from "../fd.ts";
import { C } from "../libc/constants.ts";
import { cString, type Libc } from "../libc/libc.ts";
import type { Sockets } from "./sockets.ts";

/** offsetof(struct tcp_info, tcpi_segs_out): Linux 4.2 */
const SEGMENTS_OUT = 136;
const NAME_SIZE = 32;

/** What a process has asked socket(2) for. @param type with its flags @throws {SystemCallError} */
export function socketAsAsked(libc: Libc, domain: number, type: number, protocol: number): Fd {
  const number = libc.c.socket(domain, type | C.SOCK_CLOEXEC, protocol);
  return Fd.of(libc, number, "socket", `domain ${domain}, type ${type}`);
}

/**
 * Whether a socket that is not bound by its owner has become a client's.
 * @param isBound the owner has called bind(2)
 */
export function isClients(sockets: Sockets, fd: Fd, isBound: boolean): boolean {
  const domain = sockets.option(fd, C.SOL_SOCKET, C.SO_DOMAIN);
  if (domain === C.AF_UNIX) return hasPeer(sockets, fd);
  if (sockets.option(fd, C.SOL_SOCKET, C.SO_TYPE) === C.SOCK_STREAM) {
    return hasConnected(sockets, fd);
  }
  // A socket that sends without bind(2) gets a port by that.
  return !isBound && (sockets.localAddress(fd)?.port ?? 0) !== 0;
}

function hasPeer(sockets: Sockets, fd: Fd): boolean {
  try {
    sockets.peerName(fd);
    return true;
  } catch (error) {
    if (error instanceof SystemCallError) return false;
    throw error;
  }
}

/**
 * Whether a TCP socket is, or has been, anything but new: one that was connected and is closed has sent something. One
 * that failed to connect is as new: connect(2) has reset it, and no peer waits for its end.
 */
function hasConnected(sockets: Sockets, fd: Fd): boolean {
  const info = sockets.optionBytes(fd, C.IPPROTO_TCP, C.TCP_INFO, SEGMENTS_OUT + 4, "TCP_INFO");
  if (info.getUint8(0) !== C.TCP_CLOSE) return true;
  return info.byteLength >= SEGMENTS_OUT + 4 && info.getUint32(SEGMENTS_OUT, true) !== 0;
}

/**
 * The protocol of a descriptor of a thread, as the kernel names it: "TCP", "TCPv6", "UDP". sock_diag does not know a
 * socket that is not bound. @returns null: it is no socket, or we may not look
 */
export function protocolName(libc: Libc, tid: number, descriptor: number): string | null {
  const value = new Uint8Array(NAME_SIZE);
  const path = cString(`/proc/${tid}/fd/${descriptor}`);
  const size = libc.c.getxattr(path, cString("system.sockprotoname"), value, value.length);
  // The size includes the final NUL.
  return size < 2 ? null : new TextDecoder().decode(value.subarray(0, size - 1));
}

/**
 * The socket that descriptor `fd` of a thread is, by the low 32 bits of its inode.
 * @returns null: it is none, or the thread is gone; "unseen": we may not look (another user's process)
 */
export function socketAt(tid: number, fd: number): number | null | "unseen" {
  try {
    const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${tid}/fd/${fd}`))?.[1];
    return inode === undefined ? null : Number(inode) >>> 0;
  } catch (error) {
    return (error as { code?: string }).code === "EACCES" ? "unseen" : null;
  }
}

/**
 * A number that all threads of a network namespace have in common: the files below /proc/TID/net are the namespace's.
 * Unlike /proc/TID/ns/net it may be read of every process. null: that is gone, or hidden
 */
export function networkOf(tid: number | "self"): number | null {
  try {
    return statSync(`/proc/${tid}/net/dev`).ino;
  } catch {
    return null;
  }
}

/**
 * What else refers to the socket at descriptor `number` of a process: it would keep the old one if that were replaced.
 * @returns null: nothing
 */
export function whyItMustStay(pid: number, number: number): string | null {
  const target = linkAt(pid, number);
  for (const name of readdirSync(`/proc/${pid}/fd`)) {
    if (Number(name) === number) continue;
    const other = linkAt(pid, Number(name));
    if (other === target) return "the server has duplicated it before bind(2)";
    if (other !== "anon_inode:[eventpoll]") continue;
    const info = readFileSync(`/proc/${pid}/fdinfo/${name}`, "latin1");
    if (new RegExp(`^tfd:\\s*${number} `, "m").test(info)) {
      return "the server has given it to epoll before bind(2)";
    }
  }
  return null;
}

/** @returns null: there is none, or no right to look */
function linkAt(pid: number, number: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/fd/${number}`);
  } catch {
    return null;
  }
}
