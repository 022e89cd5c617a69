/**
 * What processes may do by their capabilities, and what becomes of this process's capabilities and ignored signals at an
 * execve(2). capabilities(7), signal(7)
 */
import { CAPABILITY } from "../libc/capability_bits.ts";
import { hasBit, hasCapability, sysctl, userOf } from "./proc.ts";
import { ROOT_UID } from "./processes.ts";

/** The port from which on anyone may bind, unless net.ipv4.ip_unprivileged_port_start says otherwise. ip(7) */
const FIRST_UNPRIVILEGED_PORT = 1024;

/**
 * Whether thread `tid` may bind TCP and UDP sockets to `port`. To be asked before baton binds in its place: baton may
 * have CAP_NET_BIND_SERVICE where the server has not.
 */
export function mayBindPort(tid: number, port: number): boolean {
  const first = sysctl("net/ipv4/ip_unprivileged_port_start");
  return port >= Number(first ?? FIRST_UNPRIVILEGED_PORT) ||
    hasCapability(CAPABILITY.CAP_NET_BIND_SERVICE, tid);
}

/** Whether a file without capabilities of its own gets capability `bit` when process `pid`, which has it, executes it. */
export function keepsCapability(bit: number, pid: number): boolean {
  return userOf(pid) === ROOT_UID || hasBit("self", /^CapAmb:\s+([0-9a-f]+)$/m, bit);
}

/** Whether this process ignores `signal`: by nohup(1), or a parent that did. */
export function ignoresSignal(signal: number): boolean {
  return hasBit("self", /^SigIgn:\s+([0-9a-f]+)$/m, signal - 1);
}
