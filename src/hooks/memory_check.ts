/** Is there memory for a second copy of the server (`--min-free`)? */
import { formatBytes, type MinFree, parseMinFree } from "../config/values/memory_size.ts";
import { errorText } from "../platform/error.ts";
import { memoryOf, type MemoryReading, memoryReadings, OF_MACHINE } from "../platform/memory.ts";

const ALL_PERCENT = 100;

interface MemoryRequest {
  readonly wanted: MinFree;
  readonly text: string;
  /** Readings of the machine, and of each cgroup with a limit. */
  readonly readings: readonly MemoryReading[];
  /** What the serving generation uses; null: not known, or not needed. */
  readonly usedBytes: number | null;
}

/**
 * Never rejects: a reload waits for this. @param processes of the serving generation
 * @returns why a second copy has too little memory; null: it has enough
 */
export async function checkMemory(
  text: string,
  processes: () => readonly number[],
  warn: (message: string) => void,
  look = memoryReadings,
): Promise<string | null> {
  try {
    const wanted = parseMinFree(text);
    const usedBytes = wanted.kind === "auto" ? await memoryOf(processes()) : null;
    if (wanted.kind === "auto" && usedBytes === null) {
      warn("--min-free auto: what the server uses cannot be seen: not checked");
    }
    const readings = look();
    if (!readings.some(({ source }) => source === OF_MACHINE)) {
      warn("--min-free: /proc/meminfo cannot be read: only limits of control groups count");
    }
    return refusal({ wanted, text, readings, usedBytes });
  } catch (error) {
    return `--min-free: memory cannot be looked at: ${errorText(error)}`;
  }
}

export function refusal({ wanted, text, readings, usedBytes }: MemoryRequest): string | null {
  const short =
    readings.map((reading) => ({ reading, needed: neededOf(wanted, reading, usedBytes) }))
      .filter(({ reading, needed }) => needed !== null && reading.freeBytes < needed)
      // The scarcest first: that is the one to do something about.
      .sort((a, b) => a.reading.freeBytes - b.reading.freeBytes)[0];
  if (short === undefined) return null;
  const { reading, needed } = short;
  const asked = wanted.kind === "auto" ? ", as much as the generation that serves uses" : "";
  return `too little memory for a second copy: ${formatBytes(reading.freeBytes)} free ` +
    `(${reading.source}), ${formatBytes(needed ?? 0)} asked for (--min-free ${text}${asked})`;
}

function neededOf(
  wanted: MinFree,
  { totalBytes }: MemoryReading,
  usedBytes: number | null,
): number | null {
  switch (wanted.kind) {
    case "bytes":
      return wanted.bytes;
    case "percent":
      return Math.ceil(totalBytes * wanted.percent / ALL_PERCENT);
    case "auto":
      return usedBytes;
  }
}
