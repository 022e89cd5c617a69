/**
 * With --survive: what the next baton needs is written down before anything happens that it must know.
 *
 * `write` comes before each effect, before each change of the kernel's array of members, and before a
 * new process may run. So at any moment the latest record is ahead of the world by one step at most,
 * and whoever reads it can tell whether that step was made.
 */
import type { ResumePayload } from "./resumption.ts";
import type { Logger } from "../../log/logger.ts";
import type { CallOutcome, TrappedCall } from "../../platform/process/seccomp.ts";
import type { StateWriter } from "./state_writer.ts";
import { CONTROL, LOCK, type PendingCall } from "./resume_state.ts";
import { errorText } from "../../platform/error.ts";

interface JournalOptions {
  /** Null: nothing is to outlive this baton, or nothing is its own yet. */
  readonly stateWriter: () => StateWriter | null;
  readonly pack: () => ResumePayload;
  readonly logger: Logger;
}

export class Journal {
  readonly #calls = new Map<bigint, PendingCall>();

  constructor(readonly options: JournalOptions) {}

  /** Trapped calls that are being answered, or wait for that. */
  get calls(): readonly PendingCall[] {
    return [...this.#calls.values()];
  }

  /** Never throws: a service must not fail because its crash would be noticed. */
  write(): void {
    const keeper = this.options.stateWriter();
    if (keeper === null) return;
    try {
      const { state, descriptors } = this.options.pack();
      const held = new Map(descriptors);
      // Whoever has these is the baton of this name: they must go with it.
      held.delete(LOCK);
      held.delete(CONTROL);
      keeper.keep(held, state);
    } catch (error) {
      const message = errorText(error);
      this.options.logger.error(`cannot write down the state (--survive): ${message}`);
    }
  }

  /**
   * Records a trapped call until it is answered: the next baton would have to do that.
   * @param answer a postponed call comes again, or is forgotten with its generation
   */
  during(epoch: number, { id, tid, call, args }: TrappedCall, answer: () => CallOutcome): void {
    this.#calls.set(id, { epoch, id: String(id), tid, call, args: args.map(String) });
    this.write();
    let outcome: CallOutcome = "answered";
    try {
      outcome = answer();
    } finally {
      if (outcome === "answered") this.#calls.delete(id);
    }
  }

  /** Nobody of generation `epoch` waits any more. */
  forgetCallsOf(epoch: number): void {
    for (const [id, call] of this.#calls) if (call.epoch === epoch) this.#calls.delete(id);
  }
}
