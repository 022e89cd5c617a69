/** Which listeners of another generation the processes of a candidate have open: only a passed descriptor can be the cause. */
import { processName, socketInodesOf } from "../platform/process/proc.ts";

/** A listening socket that another generation has opened for itself. */
export interface OthersListener {
  readonly inode: number;
  readonly epoch: number;
  readonly address: string;
}

/** Such a socket, open in a process of the candidate. */
export interface PassedListener extends OthersListener {
  readonly pid: number;
  readonly program: string;
}

/** @param pids of the candidate @returns one process for each socket; none where baton may not look */
export function passedListeners(
  others: readonly OthersListener[],
  pids: readonly number[],
): PassedListener[] {
  if (others.length === 0) return [];
  const missing = new Map(others.map((each) => [each.inode, each]));
  return pids.flatMap((pid) => {
    const open = socketInodesOf(pid, missing.keys());
    const found = [...missing.values()].filter(({ inode }) => open.has(inode));
    for (const { inode } of found) missing.delete(inode);
    return found.map((each) => ({ ...each, pid, program: processName(pid) ?? "?" }));
  });
}

/** @returns `it has generation 0's own sockets at 127.0.0.1:80, [::]:443 (envoy, pid 7)` */
export function describePassed(found: readonly PassedListener[]): string {
  const [first] = found;
  const addresses = [...new Set(found.map(({ address }) => address))];
  const what = addresses.length === 1 ? "socket" : "sockets";
  return `it has generation ${first?.epoch}'s own ${what} at ${addresses.join(", ")} ` +
    `(${first?.program}, pid ${first?.pid})`;
}
