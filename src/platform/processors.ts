/**
 * How many processors this process may use: those of its affinity mask (proc_pid_status(5)), and no more than the quotas of
 * its cgroups pay for (cgroup-v2.rst "cpu.max", sched-bwc.rst), rounded, at least one.
 */
import { cgroupDirectories, type ReadText } from "./memory.ts";
import { readText } from "./process/proc.ts";

export function processorCount(read: ReadText = readText): number {
  const allowed = /^Cpus_allowed_list:\s*(\S+)$/m.exec(read("/proc/self/status") ?? "")?.[1];
  const quotas = cgroupDirectories(read, "cpu").flatMap((directory) => quotaIn(read, directory));
  return Math.max(1, Math.round(Math.min(countIn(allowed ?? "0"), ...quotas)));
}

/** Tasks that run or wait for a processor, for each processor: proc_loadavg(5). null: unknown. */
export function runnablePerProcessor(read: ReadText = readText): number | null {
  const runnable = /^(?:\S+ ){3}(\d+)\//.exec(read("/proc/loadavg") ?? "")?.[1];
  return runnable === undefined ? null : Number(runnable) / processorCount(read);
}

/** How many numbers are in a list like "0-3,8". */
function countIn(list: string): number {
  return list.split(",").reduce((sum, range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return sum + last - first + 1;
  }, 0);
}

/** The quota of a cgroup, in processors; empty: there is no limit here. */
function quotaIn(read: ReadText, directory: string): number[] {
  const ofVersion1 = (name: string) => read(`${directory}/cpu.cfs_${name}_us`)?.trim();
  const text = read(`${directory}/cpu.max`) ?? `${ofVersion1("quota")} ${ofVersion1("period")}`;
  const [quota = NaN, period = NaN] = text.trim().split(" ").map(Number);
  const count = quota / period;
  return count > 0 ? [count] : [];
}
