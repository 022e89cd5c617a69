/** How a generation that has passed its gate is promoted: at once, by shares, or on trial. Pure. */

export interface Rollout {
  /** First share of the new connections, in percent, until an operator changes it; null: none. */
  readonly canary: number | null;
  /** Time in which the share grows from the first one (or 0) to 100 percent; 0 = at once. */
  readonly rampMs: number;
  /** The generation before is kept for this time after the new one gets all new connections. */
  readonly bakeMs: number;
  /** The generation before is kept until an operator promotes or rolls back. */
  readonly hold: boolean;
  /** The workers are replaced one by one (rolling.ts). */
  readonly rolling: boolean;
}

export const AT_ONCE: Rollout = {
  canary: null,
  rampMs: 0,
  bakeMs: 0,
  hold: false,
  rolling: false,
};

/** Whether a rollout has no trial: the new generation serves as soon as it has passed its gate. */
export function isAtOnce({ canary, rampMs, bakeMs, hold, rolling }: Rollout): boolean {
  return canary === null && rampMs === 0 && bakeMs === 0 && !hold && !rolling;
}

/** The state of a trial. */
export interface Trial {
  readonly phase: "canary" | "ramp" | "rolling" | "bake";
  /** The share of the new connections that the generation on trial gets. */
  readonly percent: number;
}

/** Only an operator ends it. */
export function isOpenEnded({ phase }: Trial, { hold }: Rollout): boolean {
  return phase === "canary" || (phase === "bake" && hold);
}
