/**
 * Repeats one check of one generation: the timers around `monitor.ts`.
 *
 * One check at a time: the next one starts an interval after the previous one has finished. While there is nothing to
 * check yet (the server does not listen), or baton cannot check, nothing is counted.
 */
import type { Clock, Timer } from "../platform/clock.ts";
import {
  type CheckOutcome,
  describe,
  firstDelay,
  type Health,
  nextDelay,
  observe,
  type Schedule,
  type Thresholds,
} from "./monitor.ts";

export interface RunningCheck {
  cancel(): void;
}

interface CheckLoopOptions {
  readonly clock: Clock;
  readonly name: string;
  readonly health: Health;
  readonly schedule: Schedule;
  readonly thresholds: Thresholds;
  /** Reports its result once, not before it returns. @returns null: there is nothing to check yet */
  readonly startCheck: (onResult: (result: CheckOutcome) => void) => RunningCheck | null;
  /** Called after each result. */
  readonly onResult: (before: Health, after: Health) => void;
  /** A random number, 0 to below 1. */
  readonly random: () => number;
}

export class CheckLoop {
  health: Health;
  /** unavailable: there was nothing to check; tries again. waiting: for the next check. */
  #state: "stopped" | "waiting" | "unavailable" | "checking" = "stopped";
  #timer: Timer | null = null;
  #check: RunningCheck | null = null;

  constructor(readonly options: CheckLoopOptions) {
    this.health = options.health;
  }

  get name(): string {
    return this.options.name;
  }

  /** "http:/healthz: status 500 (17 of 17 failed)" */
  get text(): string {
    return `${this.name}: ${describe(this.health)}`;
  }

  start(): void {
    if (this.#state !== "stopped") return;
    const delayMs = firstDelay(this.options.schedule, this.options.random());
    if (delayMs === 0) return this.#startCheck();
    this.#wait(delayMs, "waiting");
  }

  /** Checks now, because something has changed: there may be something to check. */
  checkNow(): void {
    if (this.#state === "unavailable") this.#startCheck();
  }

  stop(): void {
    this.#state = "stopped";
    this.#timer?.cancel();
    const check = this.#check;
    this.#check = null;
    check?.cancel();
  }

  #wait(delayMs: number, state: "waiting" | "unavailable"): void {
    this.#state = state;
    this.#timer = this.options.clock.after(delayMs, () => this.#startCheck());
  }

  #startCheck(): void {
    this.#timer?.cancel();
    this.#state = "checking";
    this.#check = this.options.startCheck((result) => this.#onResult(result));
    // A consequence of the check may have stopped the loop.
    if (this.#check !== null || this.#state !== "checking") return;
    this.#wait(nextDelay(this.health, this.options.schedule, this.options.random()), "unavailable");
  }

  #onResult(result: CheckOutcome): void {
    if (this.#state !== "checking") return;
    this.#check = null;
    const { thresholds, schedule, random, onResult } = this.options;
    const before = this.health;
    this.health = observe(before, result, thresholds);
    this.#wait(nextDelay(this.health, schedule, random()), "waiting");
    onResult(before, this.health);
  }
}
