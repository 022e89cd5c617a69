/** The clock of the third runtime, in which only the page runs. `platform/clock.ts` has those that read the kernel's, too. */
import type { Clock } from "../clock.ts";

export const BROWSER_CLOCK: Clock = {
  now: () => performance.now(),
  wallMs: () => Date.now(),
  after: (delayMs, fire) => {
    const timer = setTimeout(fire, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};
