/** Is there memory for a second copy of the server (`--min-free`)? Pure: what was read comes in, a verdict goes out. */
import { formatBytes, type MinFree } from "../config/values/memory_size.ts";
import type { MemoryReading } from "../platform/memory.ts";

const ALL_PERCENT = 100;

interface HeadroomRequest {
  readonly wanted: MinFree;
  /** As the user wrote it. */
  readonly text: string;
  /** One for the machine and one for each cgroup with a limit. */
  readonly readings: readonly MemoryReading[];
  /** What the generation that serves uses; null: not known, or not asked for. */
  readonly usedBytes: number | null;
}

/** @returns why there is too little, null = there is enough */
export function refusal({ wanted, text, readings, usedBytes }: HeadroomRequest): string | null {
  const short =
    readings.map((reading) => ({ reading, needed: neededOf(wanted, reading, usedBytes) }))
      .filter(({ reading, needed }) => needed !== null && reading.freeBytes < needed)
      // The scarcest first: that is what the user has to do something about.
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
