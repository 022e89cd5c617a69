/** A shell script that starts the server without exec, and so waits for it. */
import { readlinkSync } from "node:fs";
import { isShell } from "../config/servers/shell_script.ts";
import { C } from "../platform/libc/constants.ts";
import { tcpRows } from "../platform/network/proc_net.ts";
import { processName, socketInodesOf } from "../platform/process/proc.ts";
import type { Attempt } from "./plan.ts";

/** What listens is not the leader, and the leader is a shell: it waits for the server. */
export function shellInFront([leader, ...others]: readonly number[]): Attempt["start"]["shell"] {
  if (leader === undefined) return null;
  const name = programOf(leader);
  const listening = new Set((tcpRows([C.TCP_LISTEN]) ?? []).map(({ inode }) => inode));
  const listens = (pid: number) => [...socketInodesOf(pid)].some((inode) => listening.has(inode));
  const server = isShell(name) && !listens(leader) ? others.find(listens) : undefined;
  if (server === undefined) return null;
  return { pid: leader, name, server: processName(server) ?? "?" };
}

/** Not its name in /proc/PID/comm: of a script, that is the script's. */
function programOf(pid: number): string {
  try {
    return readlinkSync(`/proc/${pid}/exe`).replace(/.*\//, "");
  } catch {
    return "";
  }
}
