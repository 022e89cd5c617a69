/** What becomes of a capability of this process at an execve(2). capabilities(7) */
import { readText } from "./proc.ts";
import { ROOT_UID } from "./processes.ts";

/** Whether a file without capabilities of its own gets capability `bit` when this process, which has it, executes it. */
export function keepsCapability(bit: number): boolean {
  const status = readText("/proc/self/status") ?? "";
  const [, , user = ""] = /^Uid:\s+(\d+)\s+(\d+)/m.exec(status) ?? [];
  const [, ambient = "0"] = /^CapAmb:\s+([0-9a-f]+)$/m.exec(status) ?? [];
  return Number(user) === ROOT_UID || (BigInt(`0x${ambient}`) >> BigInt(bit) & 1n) === 1n;
}
