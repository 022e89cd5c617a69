/**
 * The user's own steps on a candidate's way to serving: memory check, pre-flight and `pre-start` before its process
 * is started, `ready` between its gate and the switch. While a step runs, which has a time-out of its own, the
 * candidate's ready time-out does not count. Last of all, what it shares with the serving generation (candidate/inspection.ts).
 */
import type { HookGeneration } from "../hooks/environment.ts";
import type { Killable } from "../hooks/sequence.ts";
import type { ExitStatus } from "../platform/process/wait_status.ts";
import { type Inspected, type Inspection, NOT_INSPECTED } from "./candidate/inspection.ts";
import type { CandidateOutput } from "../output/candidate_output.ts";

interface Veto {
  readonly reason: string;
  /** What the command printed; null: no command was run. */
  readonly output: CandidateOutput | null;
}

/** Runs the steps at one point. Calls `onDone` once, perhaps before it returns. */
export type AdmissionStep = (
  candidate: HookGeneration,
  onDone: (veto: Veto | null) => void,
) => Killable;

export interface AdmissionSteps {
  readonly beforeStart: AdmissionStep;
  /** Steps between the gate and the switch; null: there is nothing to run. */
  readonly beforeSwitch: AdmissionStep | null;
  /** The last step before the switch: the front follows (--front). Missing: there is no front. */
  readonly atFront?: AdmissionStep;
}

interface AdmissionOptions {
  /** The user's steps; null: none is configured. */
  readonly steps: AdmissionSteps | null;
  /** Looks at what the candidate shares with the serving generation; null: an earlier baton started it. */
  readonly inspection: Inspection | null;
  readonly candidate: HookGeneration;
  /** The ready time-out counts from here on. */
  readonly restartReadyTimer: () => void;
  readonly onAdmitted: () => void;
  readonly onVeto: (reason: string, isStarted: boolean) => void;
}

export class Admission {
  /** What the command that has vetoed the candidate printed. */
  vetoOutput: CandidateOutput | null = null;
  isBusy = false;
  #running: Killable | null = null;
  #isCanceled = false;
  #hooksHavePassed = false;
  #frontFollows = false;
  #isAdmitted = false;
  /**
   * The user's steps; null once the candidate was admitted or refused: they hold the generation that it is to replace
   * in memory.
   */
  #steps: AdmissionSteps | null;
  readonly options: Omit<AdmissionOptions, "steps">;

  constructor({ steps, ...options }: AdmissionOptions) {
    this.options = options;
    this.#steps = steps;
  }

  begin(start: () => void): void {
    const { restartReadyTimer } = this.options;
    const steps = this.#steps;
    if (steps === null) return start();
    this.#run(steps.beforeStart, (veto) => {
      if (this.#isCanceled) {
        const reason = "it was stopped before its process was started";
        return this.#reject({ reason, output: null }, false);
      }
      if (veto !== null) return this.#reject(veto, false);
      restartReadyTimer();
      start();
    });
  }

  /** Whether its candidate has yet to pass the gate, and was started by this baton. */
  get isPending(): boolean {
    return this.options.inspection !== null && !this.#isAdmitted;
  }

  /** What stands in the candidate's way, in words, as far as its processes show. */
  get obstacles(): readonly string[] {
    return this.options.inspection?.obstacles() ?? [];
  }

  /** @returns possible reasons, for a candidate that has exited */
  explainExit(status: ExitStatus): readonly string[] {
    const code = status.kind === "exited" ? status.code : null;
    return this.options.inspection?.explainExit(code) ?? [];
  }

  get inspected(): Inspected {
    return this.options.inspection ?? NOT_INSPECTED;
  }

  /** The gate is passed, perhaps again: may the candidate serve now? */
  admits(): boolean {
    if (this.#isAdmitted) return true;
    if (this.isBusy || this.#isCanceled) return false;
    const beforeSwitch = this.#steps?.beforeSwitch ?? null;
    if (!this.#hooksHavePassed && beforeSwitch !== null) {
      this.#runBeforeSwitch(beforeSwitch, () => this.#hooksHavePassed = true);
      return false;
    }
    const reason = this.options.inspection?.refusal() ?? null;
    const { atFront } = this.#steps ?? {};
    if (reason !== null) this.#reject({ reason, output: null }, true);
    else if (atFront !== undefined && !this.#frontFollows) {
      this.#runBeforeSwitch(atFront, () => this.#frontFollows = true);
    } else {
      this.#isAdmitted = true;
      this.#steps = null;
    }
    return this.#isAdmitted;
  }

  #runBeforeSwitch(step: AdmissionStep, onPassed: () => void): void {
    this.#run(step, (veto) => {
      if (this.#isCanceled) return;
      if (veto !== null) return this.#reject(veto, true);
      onPassed();
      // The gate is asked again after the step: the server may have closed a listener meanwhile.
      this.options.restartReadyTimer();
      this.options.onAdmitted();
    });
  }

  #reject({ reason, output }: Veto, isStarted: boolean): void {
    this.vetoOutput = output;
    this.options.onVeto(reason, isStarted);
  }

  #run(step: AdmissionStep, then: (veto: Veto | null) => void): void {
    this.isBusy = true;
    let isOver = false;
    const running = step(this.options.candidate, (veto) => {
      isOver = true;
      this.isBusy = false;
      this.#running = null;
      then(veto);
    });
    if (isOver) return;
    this.#running = running;
    if (this.#isCanceled) running.kill();
  }

  /** @returns whether a step was running, whose end follows */
  cancel(): boolean {
    this.#isCanceled = true;
    this.#steps = null;
    this.options.inspection?.end();
    this.#running?.kill();
    return this.isBusy;
  }
}
