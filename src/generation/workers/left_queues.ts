/**
 * The queues of a worker that has died while its generation drains: nothing new comes, and the others cannot accept what
 * waits there, so another worker is started for it.
 */
import type { Timer } from "../../platform/clock.ts";
import { orNull } from "../../platform/error.ts";
import type { RunningContext } from "../context.ts";
import type { Worker } from "./worker.ts";

/**
 * How long after a switch a handshake may still end here: one that had begun before has ended by then, or its client
 * has begun another one.
 */
const LOOK_AGAIN_MS = 1_000;

export class LeftQueues {
  readonly #timers = new Set<Timer>();

  constructor(
    readonly context: Pick<RunningContext, "platform" | "listeners">,
    readonly replace: (worker: Worker) => void,
  ) {}

  /** `worker` has died. @param onEmpty no client waits for another one */
  look(worker: Worker, onEmpty: () => void): void {
    if (this.isEmpty(worker)) this.#lookAgain(worker, onEmpty);
    else this.replace(worker);
  }

  #lookAgain(worker: Worker, onEmpty: () => void): void {
    const timer = this.context.platform.clock.after(LOOK_AGAIN_MS, () => {
      this.#timers.delete(timer);
      if (this.isEmpty(worker)) onEmpty();
      else this.replace(worker);
    });
    this.#timers.add(timer);
  }

  isEmpty({ epoch, number }: Worker): boolean {
    const { listeners, platform: { sockDiag } } = this.context;
    const members = listeners.groups.filter(({ tcp }) => tcp !== null)
      .flatMap((group) => group.membersOf(epoch, number));
    return members.every(({ heldUntilRetired }) =>
      !orNull(() => sockDiag.waitingIn(heldUntilRetired))
    );
  }

  close(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }
}
