/** The listeners of one worker of a generation that gets connections, and what it does with them (deaf_watch.ts). */
import type { RunningContext } from "../generation/context.ts";
import type { Worker } from "../generation/workers/worker.ts";
import { orNull } from "../platform/error.ts";
import { isDatagram } from "../steering/group_address.ts";
import type { Group } from "../steering/group.ts";
import type { Member } from "../steering/member.ts";

export interface Suspicion {
  /** Whether the candidate had got its listeners. */
  readonly wasPassed: boolean;
  readonly sinceMs: number;
}

interface Ignored {
  readonly ignored: readonly { readonly group: Group; readonly member: Member }[];
  /** Whether it waits for connections by an event loop, so that /proc is sure about it. */
  readonly isSure: boolean;
}

const NOTHING_IGNORED: Ignored = { ignored: [], isSure: true };

export class WorkerListeners {
  constructor(readonly context: RunningContext, readonly worker: Worker) {}

  /** Its listeners, if it waits for connections at none of them. */
  ignored(suspicion: Suspicion | null): Ignored {
    if (suspicion === null) return NOTHING_IGNORED;
    const open = this.groups.flatMap((group) =>
      this.#membersIn(group).filter(({ unheld }) => !unheld)
        .map((member) => ({ group, member }))
    );
    const how = open.map(({ member }) => this.worker.adoptTarget.rest.ignores(member));
    // A server without an event loop may be busy with a request: that it has lost its listeners is more telling.
    const isPossible = suspicion.wasPassed
      ? !how.includes("no")
      : how.every((each) => each === "surely");
    return isPossible ? { ignored: open, isSure: !how.includes("perhaps") } : NOTHING_IGNORED;
  }

  /** The addresses where a process has one open. */
  get openAt(): string[] {
    const isOpen = (group: Group) => this.#membersIn(group).some(({ unheld }) => !unheld);
    return this.groups.filter(isOpen).map(({ text }) => text);
  }

  get members(): Member[] {
    return this.groups.flatMap((group) => this.#membersIn(group));
  }

  get groups(): Group[] {
    // The kernel reports nothing of a datagram that no process reads.
    return this.context.listeners.groups.filter((group) =>
      !isDatagram(group) && this.#membersIn(group).length > 0
    );
  }

  #membersIn(group: Group): Member[] {
    const { epoch, number } = this.worker;
    return group.membersOf(epoch, number)
      .filter(({ owner, standsIn = false }) => owner !== 0 && !standsIn);
  }

  /** Connections in the queues of its listeners; 0 where it cannot be asked. */
  get waiting(): number {
    const { sockDiag } = this.context.platform;
    const waitingIn = ({ heldUntilRetired }: Member) =>
      orNull(() => sockDiag.waitingIn(heldUntilRetired)) ?? 0;
    return this.members.reduce((sum, member) => sum + waitingIn(member), 0);
  }
}
