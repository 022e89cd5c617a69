/**
 * When memory goes back to the kernel: once after something has happened. No timer runs while nothing happens, so an
 * idle baton does not wake; the runtime's own timer for that is off (scripts/empty_environment.ts).
 */
import type { Clock } from "./clock.ts";
import type { Runtime } from "./runtime/runtime.ts";

/** So long nothing has happened: longer than the pauses in a start, or between the looks of a drain. */
const QUIET_MS = 3_000;
/** Where something always happens, such as a check each second: as often, and without what the next event would need. */
const BUSY_MS = 60_000;

/** In milliseconds of one clock. */
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
  const busyMs = nowMs - firstMs;
  if (busyMs >= BUSY_MS) return "garbage";
  // Twice as long each time: what is always busy is looked at a few times a minute.
  return Math.min(Math.max(busyMs, QUIET_MS), BUSY_MS - busyMs);
}

export class MemoryReturn {
  #activity: Activity | null = null;

  constructor(
    readonly runtime: Pick<Runtime, "giveBackMemory">,
    readonly clock: Clock,
  ) {}

  /** Something has happened. */
  touch(): void {
    const nowMs = this.clock.now();
    const isFirst = this.#activity === null;
    this.#activity = { firstMs: this.#activity?.firstMs ?? nowMs, lastMs: nowMs };
    if (isFirst) this.clock.after(QUIET_MS, () => this.#look());
  }

  #look(): void {
    const nowMs = this.clock.now();
    const due = memoryDue(this.#activity!, nowMs);
    if (due === "all") {
      this.#activity = null;
      return this.runtime.giveBackMemory("all");
    }
    if (due === "garbage") {
      this.runtime.giveBackMemory("garbage");
      this.#activity = { firstMs: nowMs, lastMs: this.#activity!.lastMs };
    }
    this.clock.after(due === "garbage" ? QUIET_MS : due, () => this.#look());
  }
}
