/**
 * One check of one generation, again and again: the clock around `monitor.ts`.
 *
 * One at a time: the next one begins an interval after the end of the one before. Where there is
 * nothing to ask yet (the server does not listen), or where baton cannot ask, nothing is counted.
 */
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

/** A check under way. */
export interface RunningCheck {
  cancel(): void;
}

interface CheckLoopOptions {
  readonly name: string;
  readonly health: Health;
  readonly schedule: Schedule;
  readonly thresholds: Thresholds;
  /** Begins a check; null: there is nothing to ask yet. Tells its result once, later. */
  readonly startCheck: (onResult: (result: CheckOutcome) => void) => RunningCheck | null;
  /** After each result. */
  readonly onResult: (before: Health, after: Health) => void;
  /** 0 to below 1. */
  readonly random: () => number;
}

export class CheckLoop {
  health: Health;
  #state: "stopped" | "waiting" | "idle" | "asking" = "stopped";
  #timer: ReturnType<typeof setTimeout> | null = null;
  #attempt: RunningCheck | null = null;

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
    if (delayMs === 0) return this.#ask();
    this.#wait(delayMs);
  }

  /** Something has changed: there may be something to ask now. */
  checkNow(): void {
    if (this.#state === "idle") this.#ask();
  }

  stop(): void {
    this.#state = "stopped";
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const attempt = this.#attempt;
    this.#attempt = null;
    attempt?.cancel();
  }

  #wait(delayMs: number, state: "waiting" | "idle" = "waiting"): void {
    this.#state = state;
    this.#timer = setTimeout(() => this.#ask(), delayMs);
  }

  #ask(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#state = "asking";
    this.#attempt = this.options.startCheck((result) => this.#onResult(result));
    // It may have been stopped by what came of the attempt.
    if (this.#attempt !== null || this.#state !== "asking") return;
    this.#wait(nextDelay(this.health, this.options.schedule, this.options.random()), "idle");
  }

  #onResult(result: CheckOutcome): void {
    if (this.#state !== "asking") return;
    this.#attempt = null;
    const { thresholds, schedule, random: chance, onResult } = this.options;
    const before = this.health;
    this.health = observe(before, result, thresholds);
    this.#wait(nextDelay(this.health, schedule, chance()));
    onResult(before, this.health);
  }
}
