/** Names of killed processes, for the log and for the client that requested the stop. Pure but for /proc. */
import { formatDuration } from "../config/values/duration.ts";
import { processName } from "../platform/process/proc.ts";

const MOST_NAMES = 8;
const ROUND_MS = 100;

export interface KilledProcess {
  readonly pid: number;
  /** The name of its command, at most 15 characters; "?" if it is gone. */
  readonly name: string;
  readonly epoch: number;
  /** Time since its stop signal; null: it got none. */
  readonly afterMs: number | null;
}

export function describeVictims(
  epoch: number,
  pids: readonly number[],
  afterMs: number | null,
): KilledProcess[] {
  return pids.map((pid) => ({ pid, name: processName(pid) ?? "?", epoch, afterMs }));
}

/** A process that lives on when the service has ended. */
export type LeftProcess = Pick<KilledProcess, "pid" | "name">;

/** @returns "2 processes live on: sshd (pid 12), bash (pid 13)" */
export function leftText(left: readonly LeftProcess[]): string {
  const count = left.length === 1 ? "1 process lives on" : `${left.length} processes live on`;
  return `${count}: ${namesOf(left)}`;
}

function namesOf(processes: readonly LeftProcess[]): string {
  const names = processes.slice(0, MOST_NAMES).map(({ name, pid }) => `${name} (pid ${pid})`);
  return names.join(", ") + (processes.length > MOST_NAMES ? ", ..." : "");
}

/** @returns "killed after 10s: 2 processes had not exited: node (pid 12), epmd (pid 13)" */
export function killedText(killed: readonly Omit<KilledProcess, "epoch">[]): string {
  const times = killed.flatMap(({ afterMs }) => afterMs ?? []);
  const longestMs = Math.round(Math.max(...times) / ROUND_MS) * ROUND_MS;
  const after = times.length === 0 ? "" : ` after ${formatDuration(longestMs)}`;
  const count = killed.length === 1 ? "1 process" : `${killed.length} processes`;
  return `killed${after}: ${count} had not exited: ${namesOf(killed)}`;
}
