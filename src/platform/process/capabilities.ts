/** What becomes of this process's capabilities and ignored signals at an execve(2). capabilities(7), signal(7) */
import { hasBit, userOf } from "./proc.ts";
import { ROOT_UID } from "./processes.ts";

/** Whether a file without capabilities of its own gets capability `bit` when process `pid`, which has it, executes it. */
export function keepsCapability(bit: number, pid: number): boolean {
  return userOf(pid) === ROOT_UID || hasBit("self", /^CapAmb:\s+([0-9a-f]+)$/m, bit);
}

/** True when this process ignores `signal`: nohup(1), or a parent that did. */
export function ignoresSignal(signal: number): boolean {
  return hasBit("self", /^SigIgn:\s+([0-9a-f]+)$/m, signal - 1);
}
