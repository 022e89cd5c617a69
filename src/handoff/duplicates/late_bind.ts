/**
 * A socket that baton has no duplicate of is replaced when it is bound: by one of baton's own with the same flags, which
 * the kernel then binds as the server has asked. That needs the right to see the server's descriptors and memory, and
 * loses what was set before bind(2), but for what only listeners set (NOTED) and SO_REUSEADDR: so TCP_NODELAY (gunicorn)
 * it has only where the descriptor was known before (learned.ts).
 */
import { SystemCallError } from "../../platform/error.ts";
import type { Fd } from "../../platform/fd.ts";
import { C } from "../../platform/libc/constants.ts";
import type { Platform } from "../../platform/platform.ts";
import { decodeAddress } from "../../platform/network/address.ts";
import {
  networkOf,
  protocolName,
  socketAsAsked,
  socketAt,
} from "../../platform/network/server_sockets.ts";
import type { CallRule } from "../../platform/process/call_filter.ts";
import * as proc from "../../platform/process/proc.ts";
import { intArgument, type TrappedCall } from "../../platform/process/seccomp.ts";
import type { CallerDescriptor } from "./source.ts";

const MAX_SOCKADDR = 128;
const FAMILY_SIZE = 2;
/** Size of the longest option that is noted; longer ones are no options of listeners. */
const MOST_OPTION_BYTES = 256;
/** Sockets whose options are remembered. */
const MOST_NOTED = 256;
const DOMAINS: ReadonlyMap<string | null, number> = new Map([
  ["TCP", C.AF_INET],
  ["TCPv6", C.AF_INET6],
  ["UNIX-STREAM", C.AF_UNIX],
]);

/**
 * The options that are noted. Which addresses may be bound, beside which others, and who reaches them, depends on them;
 * and two that only listeners have. Outgoing connections set none of them, so asking costs those nothing.
 */
const NOTED = [
  [C.SOL_SOCKET, [C.SO_REUSEPORT, C.SO_BINDTODEVICE]],
  [C.IPPROTO_IP, [C.IP_FREEBIND, C.IP_TRANSPARENT]],
  [C.IPPROTO_IPV6, [C.IPV6_V6ONLY, C.IPV6_FREEBIND, C.IPV6_TRANSPARENT]],
  [C.IPPROTO_TCP, [C.TCP_DEFER_ACCEPT, C.TCP_FASTOPEN]],
] as const;

/**
 * Options that the kernel refuses to processes without one of these capabilities, which baton may have where the server
 * has not. socket(7), ip(7)
 */
const OF_ADMINISTRATORS: ReadonlyMap<number, readonly number[]> = new Map([
  [C.SOL_SOCKET, [C.SO_MARK, C.SO_RCVBUFFORCE, C.SO_SNDBUFFORCE]],
  [C.IPPROTO_IP, [C.IP_TRANSPARENT]],
  [C.IPPROTO_IPV6, [C.IPV6_TRANSPARENT]],
]);
const CAP_NET_ADMIN = 12;
const CAP_NET_RAW = 13;

interface NotedOption {
  readonly level: number;
  readonly name: number;
  readonly value: Uint8Array;
}

export class LateBind {
  readonly rules: readonly CallRule[];
  /** Options that were set, by the socket's inode. */
  readonly #noted = new Map<number, NotedOption[]>();

  constructor(readonly platform: Platform) {
    const { SYS_setsockopt } = platform.libc.arch;
    this.rules = NOTED.map(([level, names]) => ({
      call: SYS_setsockopt,
      when: [{ argument: 1, values: [level] }, { argument: 2, values: names }],
    }));
  }

  /** Notes what a call of `rules` sets; the call continues. */
  note(call: TrappedCall): void {
    const { tid, args } = call;
    const inode = socketAt(tid, intArgument(call, 0));
    const length = Math.min(intArgument(call, 4), MOST_OPTION_BYTES);
    const value = length > 0 ? proc.readMemory(tid, Number(args[3] ?? 0n), length) : null;
    if (typeof inode !== "number" || value?.length !== length) return;
    const [oldest] = this.#noted.keys();
    if (this.#noted.size >= MOST_NOTED && oldest !== undefined) this.#noted.delete(oldest);
    const [level, name] = [intArgument(call, 1), intArgument(call, 2)];
    if (OF_ADMINISTRATORS.get(level)?.includes(name) && !isAdministrator(tid)) return;
    this.#noted.set(inode, [...this.#noted.get(inode) ?? [], { level, name, value }]);
  }

  /** A rule for calls that set any option at these descriptors. */
  rulesAt(descriptors: readonly number[]): CallRule {
    const { SYS_setsockopt } = this.platform.libc.arch;
    return { call: SYS_setsockopt, when: [{ argument: 0, values: descriptors }] };
  }

  /** @returns why `put` would leave the socket as it is; null: it would not */
  whyNot({ call: { tid }, descriptor }: CallerDescriptor): string | null {
    const name = protocolName(this.platform.libc, tid, descriptor);
    return DOMAINS.has(name) ? null : "a listener that is no stream";
  }

  /**
   * Puts a socket in place of the caller's, which waits in bind(2).
   * @returns a duplicate of the new one; null: it is left as it is
   */
  put({ notify, call, descriptor }: CallerDescriptor): Fd | null {
    const { seccomp, libc } = this.platform;
    const { id, tid } = call;
    if (call.call !== libc.arch.SYS_bind || !asksForPlace(call)) return null;
    const inode = socketAt(tid, descriptor);
    const domain = DOMAINS.get(protocolName(libc, tid, descriptor));
    const flags = proc.descriptorFlags(tid, descriptor);
    const isOurs = networkOf(tid) === networkOf("self");
    if (typeof inode !== "number" || domain === undefined || flags === null || !isOurs) return null;
    const socket = this.#like({ inode, domain, flags });
    try {
      const closeOnExec = (flags & C.O_CLOEXEC) !== 0;
      seccomp.replaceDescriptor(notify, id, { source: socket, target: descriptor, closeOnExec });
      return socket;
    } catch (error) {
      socket.close();
      // The caller is gone.
      if (error instanceof SystemCallError) return null;
      throw error;
    }
  }

  #like({ inode, domain, flags }: { inode: number; domain: number; flags: number }): Fd {
    const { libc, sockets } = this.platform;
    // O_NONBLOCK equals SOCK_NONBLOCK.
    const socket = socketAsAsked(libc, domain, C.SOCK_STREAM | (flags & C.O_NONBLOCK), 0);
    if (domain !== C.AF_UNIX) sockets.setOption(socket, C.SOL_SOCKET, C.SO_REUSEADDR, 1);
    for (const { level, name, value } of this.#noted.get(inode) ?? []) {
      // What the kernel has refused the server it refuses here, too.
      libc.c.setsockopt(socket.number, level, name, value, value.length);
    }
    this.#noted.delete(inode);
    return socket;
  }
}

function isAdministrator(tid: number): boolean {
  return [CAP_NET_ADMIN, CAP_NET_RAW].some((bit) => proc.hasCapability(bit, tid));
}

/** A client binds to no port, or to one of its own, and is left alone. */
export function asksForPlace({ tid, args }: TrappedCall): boolean {
  const length = Math.min(Number(args[2] ?? 0n), MAX_SOCKADDR);
  const bytes = proc.readMemory(tid, Number(args[1] ?? 0n), length);
  if (bytes === null || bytes.length < FAMILY_SIZE) return false;
  const isUnix = new DataView(bytes.buffer, bytes.byteOffset).getUint16(0, true) === C.AF_UNIX;
  return isUnix ? bytes.length > FAMILY_SIZE : (decodeAddress(bytes)?.port ?? 0) !== 0;
}
