/**
 * Gives up listeners that no process of their generation holds any more: baton closes its duplicate, and the kernel
 * refuses connections there, as without baton. While baton holds a duplicate the kernel reports no close(2), so there is
 * a look when a process that has opened a listener exits, at a listen(2), when a successor starts, and for a minute, at
 * growing intervals, after the gate was passed and after each listener that is opened later.
 */
import type { Clock, Timer } from "../platform/clock.ts";
import { isExiting } from "../platform/process/proc.ts";
import type { Group } from "../steering/group.ts";
import type { Listeners } from "../steering/listeners.ts";
import type { Member } from "../steering/member.ts";
import { fateOfClosed } from "./closed_fate.ts";
import { admitLate, releaseConnected } from "./datagrams/connected_datagrams.ts";
import { isAwaited, type ListenerOwner, refreshSocketHolders } from "./listener_owner.ts";

/** How long an address waits for the next listen(2), of the successor of a worker that has died for example. */
const RESPAWN_MS = 1_000;
/** The looks after a listener was opened, from the first interval to the last; each is twice the one before. */
const FIRST_LOOK_MS = 500;
const LAST_LOOK_MS = 32_000;

interface ClosedListenersOptions {
  /** Whether an address is one of `--listen`: its listener stays, whatever the server does. */
  isOurs(address: string): boolean;
  onGivenUp(text: string): void;
}

export class ClosedListeners {
  /** When a listener was first seen to be closed, by inode. */
  readonly #since = new Map<number, number>();
  #respawn: Timer | null = null;
  #look: Timer | null = null;
  #isOver = false;

  constructor(
    readonly clock: Clock,
    readonly listeners: Listeners,
    readonly owner: Pick<
      ListenerOwner,
      "epoch" | "worker" | "processes" | "replacementOf" | "readyTicks"
    >,
    readonly options: ClosedListenersOptions,
  ) {}

  /** Looks now. */
  look(): void {
    if (this.#isOver) return;
    const { listeners, owner: { epoch, worker } } = this;
    releaseConnected(listeners, epoch);
    const groups = listeners.groupsOf(epoch);
    const theirs = groups.filter(({ text }) => !this.options.isOurs(text));
    refreshSocketHolders(groups, this.owner);
    const processes = this.owner.processes();
    const atMs = this.clock.now();
    let waitMs = Infinity;
    for (const { group, member } of closedIn(theirs, epoch, worker)) {
      const fate = fateOfClosed({
        ...surroundings(groups, group, epoch),
        // A process that was killed a moment ago has closed nothing on purpose.
        openerLives: processes.includes(member.owner) && !isExiting(member.owner),
        isAwaited: isAwaited(group, member, this.owner),
        isPassing: member.passing === true,
        isDraining: epoch < (listeners.servingEpoch ?? epoch),
      });
      const since = this.#since.get(member.inode) ?? atMs;
      this.#since.set(member.inode, since);
      const leftMs = fate === "wait" ? since + RESPAWN_MS - atMs : 0;
      if (leftMs > 0) waitMs = Math.min(waitMs, leftMs);
      else if (fate !== "keep") this.#giveUp(group, member);
    }
    this.#respawn?.cancel();
    this.#respawn = waitMs === Infinity ? null : this.clock.after(waitMs, () => this.look());
  }

  #giveUp(group: Group, member: Member): void {
    this.#since.delete(member.inode);
    this.listeners.discard(group, member);
    this.options.onGivenUp(
      `generation ${this.owner.epoch} has closed its listener at ${group.text}`,
    );
  }

  /** What was opened a moment ago may be closed soon, by a process that lives on. */
  lookRepeatedly(delayMs = FIRST_LOOK_MS): void {
    this.#look?.cancel();
    this.#look = this.clock.after(delayMs, () => {
      this.#look = null;
      if (delayMs < LAST_LOOK_MS) this.lookRepeatedly(delayMs * 2);
      this.look();
      admitLate(this.listeners, this.owner.epoch);
    });
  }

  close(): void {
    this.#isOver = true;
    this.#respawn?.cancel();
    this.#look?.cancel();
    this.#respawn = this.#look = null;
  }
}

/** Members that a process has opened, and none holds now. */
function closedIn(
  groups: readonly Group[],
  epoch: number,
  worker: number,
): { group: Group; member: Member }[] {
  return groups.filter(({ isFrozen }) => !isFrozen).flatMap((group) =>
    group.membersOf(epoch, worker)
      .filter(({ unheld, owner, origin, standsIn }) =>
        unheld && owner !== 0 && origin === null && standsIn !== true
      )
      .map((member) => ({ group, member }))
  );
}

function surroundings(groups: readonly Group[], group: Group, epoch: number) {
  const isHeld = (each: Group) =>
    each.membersOf(epoch).some(({ unheld, owner }) => !unheld && owner !== 0);
  return {
    isHeldByOthers: isHeld(group),
    listensElsewhere: groups.some((each) => each !== group && isHeld(each)),
  };
}
