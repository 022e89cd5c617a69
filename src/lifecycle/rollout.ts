/** How a generation that has passed its gate is let in: at once, by shares, or on trial. Pure. */

export interface Rollout {
  /** First share of the new connections, in percent, which stays until somebody asks for more; null: none. */
  readonly canary: number | null;
  /** From the first share (or none) to all of them in this time; 0 = at once. */
  readonly rampMs: number;
  /** The generation before stays up for this time after all new connections have gone to the new one. */
  readonly bakeMs: number;
  /** It stays up until somebody promotes or rolls back. */
  readonly hold: boolean;
}

export const AT_ONCE: Rollout = { canary: null, rampMs: 0, bakeMs: 0, hold: false };

/** A generation on trial. */
export interface Trial {
  readonly phase: "canary" | "ramp" | "bake";
  /** Of the new connections. */
  readonly percent: number;
}

export function isAtOnce({ canary, rampMs, bakeMs, hold }: Rollout): boolean {
  return canary === null && rampMs === 0 && bakeMs === 0 && !hold;
}

/** Nothing but a person ends it. */
export function isOpenEnded({ phase }: Trial, { hold }: Rollout): boolean {
  return phase === "canary" || (phase === "bake" && hold);
}
