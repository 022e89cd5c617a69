/**
 * Several commands, one after the other, until one fails. Told once: the first failure, or that all went well.
 */
import type { CommandEnd, CommandOutput } from "./command.ts";

/** Something under way that can be ended. */
export interface Killable {
  kill(): void;
}

export interface CommandFailure<Step, Output> {
  readonly step: Step;
  readonly end: CommandEnd;
  readonly output: Output;
}

interface SequenceOptions<Step, Output> {
  readonly steps: readonly Step[];
  start(step: Step, onEnd: (end: CommandEnd, output: Output) => void): Killable;
  /** A failing step ends it; else the others are gone on with, and each failure is told. */
  readonly stopsAtFailure: boolean;
  onFailure(failure: CommandFailure<Step, Output>): void;
  /** Nothing of it runs any more. @param failed the first failure */
  onDone(failed: CommandFailure<Step, Output> | null): void;
}

/** @returns whether a command has done what it was to do */
function succeeded(end: CommandEnd): boolean {
  return end.kind === "exited" && end.status.kind === "exited" && end.status.code === 0;
}

export class Sequence<Step, Output extends CommandOutput> implements Killable {
  #current: Killable | null = null;
  #next = 0;
  #killed = false;
  #failed: CommandFailure<Step, Output> | null = null;

  constructor(readonly options: SequenceOptions<Step, Output>) {}

  /** Runs the first; if nothing can be run, all is over when this returns. */
  start(): void {
    this.#go();
  }

  #go(): void {
    const { steps, start, onDone } = this.options;
    const step = steps[this.#next++];
    if (step === undefined) return onDone(this.#failed);
    let isOver = false;
    const started = start(step, (end, output) => {
      isOver = true;
      this.#current = null;
      this.#onEnd({ step, end, output });
    });
    if (!isOver) this.#current = started;
  }

  #onEnd(outcome: CommandFailure<Step, Output>): void {
    const { stopsAtFailure, onFailure, onDone } = this.options;
    if (!succeeded(outcome.end)) {
      this.#failed ??= outcome;
      onFailure(outcome);
    }
    if (this.#killed || (stopsAtFailure && this.#failed !== null)) return onDone(this.#failed);
    this.#go();
  }

  /** Ends what runs, and starts nothing any more; `onDone` follows. */
  kill(): void {
    this.#killed = true;
    this.#current?.kill();
  }
}
