/**
 * With --survive: writes down everything that the next instance needs, before each step that it must know about.
 *
 * `write` comes before each effect, before each change of the kernel's array of members, and before a new process may
 * run. So the latest record is never more than one step ahead of the world, and its reader can tell whether that step
 * was made.
 */
import type { Logger } from "../../log/logger.ts";
import { errorText } from "../../platform/error.ts";
import type { CallOutcome, TrappedCall } from "../../platform/process/seccomp.ts";
import type { PendingCall } from "./resume_state.ts";
import { descriptorName, type ResumePayload } from "./resumption.ts";
import type { StateWriter } from "./state_writer.ts";

interface JournalOptions {
  /** Null: nothing outlives this baton, or it does not own anything yet. */
  readonly stateWriter: () => StateWriter | null;
  readonly pack: () => ResumePayload;
  readonly logger: Logger;
}

export class Journal {
  readonly #calls = new Map<bigint, PendingCall>();

  constructor(readonly options: JournalOptions) {}

  /** Trapped calls that have no answer yet. */
  get calls(): readonly PendingCall[] {
    return [...this.#calls.values()];
  }

  /** Never throws: a service must not fail because its recovery would. */
  write(): void {
    const stateWriter = this.options.stateWriter();
    if (stateWriter === null) return;
    try {
      const { state, descriptors } = this.options.pack();
      const held = new Map(descriptors);
      // Lock and control socket are not stored: the process that has them is the baton of this name, and they must be
      // closed with it.
      held.delete(descriptorName.lock);
      held.delete(descriptorName.control);
      stateWriter.keep(held, state);
    } catch (error) {
      this.options.logger.error(`cannot write down the state (--survive): ${errorText(error)}`);
    }
  }

  /**
   * Keeps a trapped call on record until it has its answer: the next instance would have to answer it.
   * @param answer a postponed call comes again, or is forgotten with its generation
   */
  during(
    { epoch, worker }: Pick<PendingCall, "epoch" | "worker">,
    { id, tid, call, args }: TrappedCall,
    answer: () => CallOutcome,
  ): void {
    this.#calls.set(id, { epoch, worker, id: String(id), tid, call, args: args.map(String) });
    this.write();
    let outcome: CallOutcome = "answered";
    try {
      outcome = answer();
    } finally {
      if (outcome === "answered") this.#calls.delete(id);
    }
  }

  /** No thread of this worker waits any more. */
  forgetCallsOf({ epoch, worker }: Pick<PendingCall, "epoch" | "worker">): void {
    for (const [id, call] of this.#calls) {
      if (call.epoch === epoch && call.worker === worker) this.#calls.delete(id);
    }
  }
}
