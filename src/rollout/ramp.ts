/** The time of a ramp: reports the share that is due, again and again until it is 100 percent. */
import type { Clock, Timer } from "../platform/clock.ts";

/** Shares grow in steps of about one percent, but not more often than this. */
const MIN_STEP_MS = 50;
const ALL = 100;
/** A share has no finer ones in the kernel, and people read it. */
const STEPS_PER_PERCENT = 100;

export class Ramp {
  #timer: Timer | null = null;

  constructor(readonly clock: Clock) {}

  /** @param onShare percent, growing; 100 is the last */
  begin(
    { percent, durationMs }: { readonly percent: number; readonly durationMs: number },
    onShare: (percent: number) => void,
  ): void {
    this.end();
    const beganAtMs = this.clock.now();
    const step = () => {
      const part = (this.clock.now() - beganAtMs) / durationMs;
      if (part < 1) this.#timer = this.clock.after(stepMs, step);
      const due = percent + (ALL - percent) * part;
      onShare(part < 1 ? Math.floor(due * STEPS_PER_PERCENT) / STEPS_PER_PERCENT : ALL);
    };
    const stepMs = Math.max(MIN_STEP_MS, durationMs / ALL);
    this.#timer = this.clock.after(stepMs, step);
  }

  end(): void {
    this.#timer?.cancel();
  }
}
