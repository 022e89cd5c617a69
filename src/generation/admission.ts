/**
 * A candidate's way in, where the user has put something there: memory, pre-flight and `pre-start` before its
 * process is started, `ready` between its gate and the switch.
 *
 * Guarantees: a candidate that is ended on its way ends at once, and says so; while something runs that has a
 * time-out of its own, the candidate's time to get ready does not run.
 */
import { EXIT_NEW_GENERATION_FAILED } from "../lifecycle/status.ts";
import type { Killable } from "../hooks/sequence.ts";
import type { CandidateOutput } from "../output/candidate_output.ts";

/** What stood in the way. */
export interface Veto {
  readonly reason: string;
  /** What it printed; null: nothing was run. */
  readonly output: CandidateOutput | null;
}

/** Runs what stands at one place. `onDone` is called once, perhaps before this returns. */
export type AdmissionStep = (onDone: (obstacle: Veto | null) => void) => Killable;

/** The candidate, as its entrance sees it. */
export interface AdmissionCandidate {
  readonly hasExited: boolean;
  fail(reason: string): void;
  failWithoutProcess(reason: string, status: number): void;
  readonly timers: { arm(timer: "ready", delayMs: number): void };
  checkGate(): void;
}

interface AdmissionOptions {
  /** It begins with its process, and anew after what stands before the switch. */
  readonly readyTimeoutMs: number;
  readonly beforeStart: AdmissionStep;
  /** Null: nothing is asked. */
  readonly beforeSwitch: AdmissionStep | null;
}

const ENDED: Veto = { reason: "it was ended before its process was started", output: null };

export class Admission {
  /** What the command printed that stood in the way. */
  vetoOutput: CandidateOutput | null = null;
  #running: Killable | null = null;
  #isKilled = false;
  #isAdmitted = false;
  #isAsking = false;

  constructor(readonly entrant: AdmissionCandidate, readonly options: AdmissionOptions) {}

  /** Something runs here, with a time-out of its own. */
  get isBusy(): boolean {
    return this.#running !== null || this.#isAsking;
  }

  /** @param start starts its process */
  begin(start: () => void): void {
    const { entrant } = this;
    this.#pass(this.options.beforeStart, (obstacle) => {
      if (entrant.hasExited) return;
      const failure = this.#isKilled ? ENDED : obstacle;
      if (failure !== null) {
        this.vetoOutput = failure.output;
        return entrant.failWithoutProcess(failure.reason, EXIT_NEW_GENERATION_FAILED);
      }
      entrant.timers.arm("ready", this.options.readyTimeoutMs);
      start();
    });
  }

  /** Its gate has passed, and may do so several times. @returns whether it may serve now */
  admits(): boolean {
    const { beforeSwitch } = this.options;
    if (this.#isAdmitted || beforeSwitch === null) return true;
    if (this.isBusy) return false;
    this.#pass(beforeSwitch, (obstacle) => {
      if (this.entrant.hasExited || this.#isKilled) return;
      if (obstacle !== null) {
        this.vetoOutput = obstacle.output;
        return this.entrant.fail(obstacle.reason);
      }
      this.#isAdmitted = true;
      // It may have closed a listener meanwhile.
      this.entrant.timers.arm("ready", this.options.readyTimeoutMs);
      this.entrant.checkGate();
    });
    return false;
  }

  #pass(passage: AdmissionStep, then: (obstacle: Veto | null) => void): void {
    this.#isAsking = true;
    let isOver = false;
    const running = passage((obstacle) => {
      isOver = true;
      this.#isAsking = false;
      this.#running = null;
      then(obstacle);
    });
    if (!isOver) this.#running = running;
    if (!isOver && this.#isKilled) running.kill();
  }

  /** @returns whether something had to be ended, after which its end is told */
  kill(): boolean {
    this.#isKilled = true;
    this.#running?.kill();
    return this.isBusy;
  }
}
