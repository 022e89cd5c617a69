/** A supervisor without clients: its memory, and how often it wakes up. */
import { privateMemoryBytes } from "../../../test/support/proc.ts";
import { anonymousBytes, BYTES_PER_MIB, field, pause, residentBytes, switches } from "../proc.ts";
import type { Bench, Measured, Section } from "../section.ts";
import { withServer } from "./with_server.ts";

interface Idle {
  readonly residentBytes: number;
  /** No other process has it; the program file counts while no other baton runs. */
  readonly privateBytes: number;
  /** Without the program file. */
  readonly anonymousBytes: number;
  readonly wakeupsPerSecond: number;
  readonly threads: number;
  /** More than before a burst of reloads, once that is over. */
  readonly keptBytes: number;
}

const MS_PER_SECOND = 1000;
const BURST_RELOADS = 50;
/** By then baton has given back what a burst has taken, and the runtime's helper threads have ended. */
const AFTER_BURST_MS = 20_000;

export const IDLE: Section = { name: "idle", isOfBuild: true, measure };

async function measure(bench: Bench): Promise<Measured | null> {
  if (!bench.available("go")) return null;
  const { idleAfterMs, idleForMs } = bench.plan;
  bench.status(`idle supervisor, ${(idleAfterMs + idleForMs) / MS_PER_SECOND} s`);
  const result = await idle(idleAfterMs, idleForMs);
  bench.table([
    ["idle supervisor", ""],
    ["resident memory, MiB", (result.residentBytes / BYTES_PER_MIB).toFixed(1)],
    ["private memory, MiB", (result.privateBytes / BYTES_PER_MIB).toFixed(1)],
    ["of it not the program file", (result.anonymousBytes / BYTES_PER_MIB).toFixed(1)],
    ["threads", String(result.threads)],
    ["wake-ups per second", result.wakeupsPerSecond.toFixed(1)],
    [`kept of ${BURST_RELOADS} reloads, MiB`, (result.keptBytes / BYTES_PER_MIB).toFixed(1)],
  ]);
  return {
    figures: {
      idleWakeups: result.wakeupsPerSecond,
      anonymousMiB: result.anonymousBytes / BYTES_PER_MIB,
      keptMiB: result.keptBytes / BYTES_PER_MIB,
    },
    details: result,
  };
}

/** @param afterMs since the start of baton */
async function idle(afterMs: number, forMs: number): Promise<Idle> {
  return await withServer("go", async (baton) => {
    const { pid } = baton;
    await pause(afterMs);
    const before = switches(pid);
    await pause(forMs);
    let count = 0;
    // A thread that has ended in between takes its count with it.
    for (const [task, after] of switches(pid)) count += after - (before.get(task) ?? 0);
    const asleep = {
      residentBytes: residentBytes(pid),
      privateBytes: privateMemoryBytes(pid) ?? NaN,
      anonymousBytes: anonymousBytes(pid),
      wakeupsPerSecond: count / (forMs / MS_PER_SECOND),
      threads: field(`/proc/${pid}/status`, "Threads"),
    };
    for (let i = 0; i < BURST_RELOADS; i++) await baton.reload();
    await baton.settled();
    await pause(AFTER_BURST_MS);
    return { ...asleep, keptBytes: anonymousBytes(pid) - asleep.anonymousBytes };
  });
}
