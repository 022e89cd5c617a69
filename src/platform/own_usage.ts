/** What this process itself uses: proc_pid_stat(5), proc_pid_status(5), proc_pid_limits(5). Values that cannot be read are null. */
import { TICKS_PER_S } from "./clock.ts";
import type { ReadText } from "./memory.ts";
import { fileLimitOf, namesIn, readText } from "./process/proc.ts";

export interface OwnUsage {
  readonly cpuSeconds: number | null;
  readonly residentBytes: number | null;
  readonly virtualBytes: number | null;
  readonly threads: number | null;
  /** When this process started, in seconds since 1970. The same after execve(2). */
  readonly startedAtSeconds: number | null;
  readonly uptimeSeconds: number | null;
  readonly openDescriptors: number | null;
  readonly descriptorLimit: number | null;
}

const KIB = 1024;

/** How many descriptors this process has open; its limit when it cannot even count them. */
export function ownDescriptorCount(): number {
  return namesIn("/proc/self/fd").length || Infinity;
}

/** @param pid of this process, for its limits */
export function ownUsage(pid: number, read: ReadText = readText): OwnUsage {
  const stat = read("/proc/self/stat");
  // The command name in parentheses may itself hold spaces and parentheses.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ") ?? [];
  // The third field of the manual is the first of these.
  const field = (number: number) => numberIn(fields[number - 3]);
  const [user, system, startedAt] = [field(14), field(15), field(22)];
  const bootedAt = numberIn(/^btime (\d+)$/m.exec(read("/proc/stat") ?? "")?.[1]);
  const upFor = numberIn(/^\S+/.exec(read("/proc/uptime") ?? "")?.[0]);
  const residentKib = numberIn(/^VmRSS:\s+(\d+) kB$/m.exec(read("/proc/self/status") ?? "")?.[1]);
  const descriptors = ownDescriptorCount();
  return {
    cpuSeconds: user === null || system === null ? null : (user + system) / TICKS_PER_S,
    residentBytes: residentKib === null ? null : residentKib * KIB,
    virtualBytes: field(23),
    threads: field(20),
    startedAtSeconds: startedAt === null || bootedAt === null
      ? null
      : bootedAt + startedAt / TICKS_PER_S,
    uptimeSeconds: startedAt === null || upFor === null ? null : upFor - startedAt / TICKS_PER_S,
    openDescriptors: Number.isFinite(descriptors) ? descriptors : null,
    descriptorLimit: fileLimitOf(pid)?.[0] ?? null,
  };
}

function numberIn(text: string | undefined): number | null {
  const number = text === undefined || text === "" ? NaN : Number(text);
  return Number.isFinite(number) ? number : null;
}
