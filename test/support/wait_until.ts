/**
 * The only sleep in the tests: waits for a condition, never for time to pass.
 *
 * `waitUntil` returns the first truthy value of the condition, or throws once the deadline has passed, with what was
 * awaited and the last value (or error) of the condition. A condition that throws counts as "not yet".
 */
import { inspect } from "node:util";

/** Room for a machine that has ten times as much to do as it can. */
export const DEFAULT_DEADLINE_MS = 30_000;
const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 50;

export interface WaitOptions {
  /** What is awaited, as the end of "waited until ...". */
  readonly what: string;
  /** @default DEFAULT_DEADLINE_MS */
  readonly deadlineMs?: number;
}

export type Truthy<T> = Exclude<T, false | 0 | 0n | "" | null | undefined>;

/**
 * Waits until `condition` gives a truthy value, and returns it.
 *
 * @throws {Error} when `deadlineMs` have passed; the condition is tried once more after the deadline.
 */
export async function waitUntil<T>(
  condition: () => T | Promise<T>,
  options: WaitOptions,
): Promise<Truthy<T>> {
  const deadlineMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS;
  const startedAt = performance.now();
  let pauseMs = FIRST_PAUSE_MS;
  for (;;) {
    const lastTry = performance.now() - startedAt >= deadlineMs;
    const attempt = await evaluate(condition);
    if (attempt.value) return attempt.value as Truthy<T>;
    if (lastTry) {
      throw new Error(
        `Waited ${deadlineMs} ms until ${options.what}, in vain: last ${attempt.description}`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}

async function evaluate<T>(
  condition: () => T | Promise<T>,
): Promise<{ value: T | undefined; description: string }> {
  try {
    const value = await condition();
    return { value, description: `value was ${inspect(value, { depth: 4 })}` };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { value: undefined, description: `error was ${text}` };
  }
}
