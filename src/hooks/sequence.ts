/** Several commands, one after the other. */
import type { CandidateOutput } from "../output/candidate_output.ts";
import type { CommandEnd } from "./command.ts";

export interface Killable {
  kill(): void;
}

export interface CommandFailure<Step> {
  readonly step: Step;
  readonly end: CommandEnd;
  readonly output: CandidateOutput;
}

interface SequenceOptions<Step> {
  readonly steps: readonly Step[];
  start(step: Step, onEnd: (end: CommandEnd, output: CandidateOutput) => void): Killable;
  /** Whether a failure ends the sequence; otherwise the other steps run, and each failure is reported. */
  readonly stopsAtFailure: boolean;
  onFailure(failure: CommandFailure<Step>): void;
  /** The sequence is over, and nothing of it runs any more. @param failed the first failure */
  onDone(failed: CommandFailure<Step> | null): void;
}

export class Sequence<Step> implements Killable {
  #current: Killable | null = null;
  #next = 0;
  #killed = false;
  #failed: CommandFailure<Step> | null = null;

  constructor(readonly options: SequenceOptions<Step>) {}

  /** Runs the first step; if no command can be run, the sequence is done when this returns. */
  start(): void {
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

  #onEnd(result: CommandFailure<Step>): void {
    const { stopsAtFailure, onFailure, onDone } = this.options;
    const { end } = result;
    if (!(end.kind === "exited" && end.status.kind === "exited" && end.status.code === 0)) {
      this.#failed ??= result;
      onFailure(result);
    }
    if (this.#killed || (stopsAtFailure && this.#failed !== null)) return onDone(this.#failed);
    this.start();
  }

  /** Kills the running command, and starts no further one; `onDone` follows. */
  kill(): void {
    this.#killed = true;
    this.#current?.kill();
  }
}
