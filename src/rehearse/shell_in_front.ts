/** A shell script that starts the server without exec, and so waits for it. */
import { isShell } from "../config/servers/shell_script.ts";
import { baseName } from "../config/servers/wrappers.ts";
import { C } from "../platform/libc/constants.ts";
import { tcpRows } from "../platform/network/proc_net.ts";
import { linkTarget, processName, socketInodesOf } from "../platform/process/proc.ts";
import type { Attempt } from "./plan.ts";

/** The shell that waits for the server, if what listens is not the leader, and the leader is a shell. */
export function shellInFront([leader, ...others]: readonly number[]): Attempt["start"]["shell"] {
  if (leader === undefined) return null;
  // The name is not that of /proc/PID/comm, which is the script's.
  const name = baseName(linkTarget(`/proc/${leader}/exe`) ?? "");
  const listening = new Set((tcpRows([C.TCP_LISTEN])?.rows ?? []).map(({ inode }) => inode));
  const listens = (pid: number) => [...socketInodesOf(pid)].some((inode) => listening.has(inode));
  const server = isShell(name) && !listens(leader) ? others.find(listens) : undefined;
  if (server === undefined) return null;
  return { pid: leader, name, server: processName(server) ?? "?" };
}
