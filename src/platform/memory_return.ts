/**
 * When memory goes back to the kernel: once after something has happened. No timer runs while nothing happens, so an
 * idle baton does not wake; the runtime's own timer for that is off (scripts/binary/own_environment.ts).
 */
import type { Clock, Timer } from "./clock.ts";
import type { Runtime } from "./runtime/runtime.ts";

/** Pause after which memory is given back: longer than the pauses in a start, or between the looks of a drain. */
const QUIET_MS = 3_000;
/**
 * Pause until it is given back once more: the runtime's helper threads have ended, and what they held is free. 2 MiB of
 * 15 after a burst.
 */
const AGAIN_MS = 12_000;
/**
 * Interval where something always happens, such as a check each second: only what the next event does not need is given
 * back.
 */
const BUSY_MS = 60_000;

/** Times of events, in milliseconds of one clock. */
interface Activity {
  /** What happened first since memory was given back, and last. */
  readonly firstMs: number;
  readonly lastMs: number;
}

/** @returns what to give back now; a number: nothing, and the next look is in so many milliseconds */
function memoryDue(
  { firstMs, lastMs }: Activity,
  nowMs: number,
): "all" | "garbage" | number {
  if (nowMs - lastMs >= QUIET_MS) return "all";
  return nowMs - firstMs >= BUSY_MS ? "garbage" : lastMs + QUIET_MS - nowMs;
}

export class MemoryReturn {
  #activity: Activity | null = null;
  #again: Timer | null = null;

  constructor(
    readonly runtime: Pick<Runtime, "giveBackMemory">,
    readonly clock: Clock,
  ) {}

  /** To be called when something has happened. */
  touch(): void {
    const nowMs = this.clock.now();
    const isFirst = this.#activity === null;
    this.#activity = { firstMs: this.#activity?.firstMs ?? nowMs, lastMs: nowMs };
    if (!isFirst) return;
    this.#again?.cancel();
    this.clock.after(QUIET_MS, () => this.#look());
  }

  #look(): void {
    const nowMs = this.clock.now();
    const due = memoryDue(this.#activity!, nowMs);
    if (due === "all") {
      this.#activity = null;
      this.#again = this.clock.after(AGAIN_MS, () => this.runtime.giveBackMemory("all"));
      return this.runtime.giveBackMemory("all");
    }
    if (due === "garbage") {
      this.runtime.giveBackMemory("garbage");
      this.#activity = { firstMs: nowMs, lastMs: this.#activity!.lastMs };
    }
    this.clock.after(due === "garbage" ? QUIET_MS : due, () => this.#look());
  }
}
