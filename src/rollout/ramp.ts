/** The time of a ramp: which share is due, told again and again until it is all. Decides nothing. */

/** Shares are told in steps of about one percent, but not more often than this. */
const MIN_STEP_MS = 50;
const ALL = 100;

export class Ramp {
  #timer: ReturnType<typeof setInterval> | null = null;

  /** @param onShare percent, growing; 100 is the last */
  begin(
    ramp: { readonly percent: number; readonly durationMs: number },
    onShare: (percent: number) => void,
  ): void {
    this.end();
    const { percent, durationMs } = ramp;
    const beganAtMs = performance.now();
    this.#timer = setInterval(() => {
      const part = (performance.now() - beganAtMs) / durationMs;
      if (part >= 1) this.end();
      onShare(part >= 1 ? ALL : percent + (ALL - percent) * part);
    }, Math.max(MIN_STEP_MS, durationMs / ALL));
  }

  end(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}
