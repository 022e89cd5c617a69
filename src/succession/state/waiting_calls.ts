/**
 * Of the fd-store process, while no baton runs: takes the servers' trapped calls from the kernel, lets those continue
 * that need no decision, and adds the others to the state, for the next baton to answer.
 */
import { jsonBytes } from "../../platform/bytes.ts";
import type { Fd } from "../../platform/fd.ts";
import type { Platform } from "../../platform/platform.ts";
import type { TrappedCall } from "../../platform/process/seccomp.ts";
import type { PendingCall, ResumeState } from "./resume_state.ts";
import { descriptorName } from "./resumption.ts";

/** Which trapped calls need no decision, by the groups of a state. */
export type PassingCalls = (groups: ResumeState["groups"]) => (call: TrappedCall) => boolean;

export class WaitingCalls {
  readonly #filters: Map<Fd, Pick<PendingCall, "epoch" | "worker">>;
  readonly #waiting: PendingCall[] = [];

  /** @param items the descriptors that are held, by name */
  constructor(
    readonly platform: Platform,
    readonly state: ResumeState,
    items: ReadonlyMap<string, Fd>,
    readonly passes: (call: TrappedCall) => boolean,
  ) {
    this.#filters = new Map(
      state.generations.flatMap(({ epoch, workers }) =>
        workers.flatMap(({ number: worker }) => {
          const filter = items.get(descriptorName.filter({ epoch, worker }));
          return filter === undefined ? [] : [[filter, { epoch, worker }]];
        })
      ),
    );
  }

  /** Notify descriptors of filters that processes are under. */
  get filters(): Fd[] {
    return [...this.#filters.keys()];
  }

  take(ready: readonly Fd[]): void {
    const { descriptors, seccomp } = this.platform;
    for (const [filter, owner] of this.#filters) {
      if (!ready.includes(filter)) continue;
      // No process is under it any more. The next baton gets it all the same.
      if (!descriptors.hasInput(filter, 0)) this.#filters.delete(filter);
      else this.#answer(filter, owner, seccomp.receive(filter));
    }
  }

  #answer(
    filter: Fd,
    owner: Pick<PendingCall, "epoch" | "worker">,
    trapped: TrappedCall | null,
  ): void {
    if (trapped === null) return;
    const { id, tid, call, args } = trapped;
    if (this.passes(trapped)) this.platform.seccomp.continue(filter, id);
    else this.#waiting.push({ ...owner, id: String(id), tid, call, args: args.map(String) });
  }

  /** The state with the calls that wait; null: none does. The caller owns it. */
  stateWithCalls(): Fd | null {
    if (this.#waiting.length === 0) return null;
    const state: ResumeState = { ...this.state, calls: [...this.state.calls, ...this.#waiting] };
    return this.platform.descriptors.sealedMemfd("baton-state", jsonBytes(state));
  }
}
