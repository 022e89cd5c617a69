/**
 * Finds a serving generation, or one on trial, that has closed its listeners and lives on (health/deafness.ts). The kernel
 * reports a shutdown(2) of them; it does not report a close(2), but the first connection that waits: the watch is armed
 * for one event, looks a moment later whether the server has accepted it, and is armed again after a pause. Without
 * clients it does nothing.
 */
import { closedText } from "../generation/gate.ts";
import { RunningGeneration } from "../generation/generation.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import type { RunningContext } from "../generation/context.ts";
import { DEAF_MS, deafSince } from "../health/deafness.ts";
import { bakingOf, type ServiceState, servingOf } from "../lifecycle/state.ts";
import type { Timer } from "../platform/clock.ts";
import { orNull } from "../platform/error.ts";
import { descriptorTarget, socketDescriptorsOf } from "../platform/process/proc.ts";
import { isAsleep } from "../platform/process/rest.ts";
import { isDatagram } from "../steering/group_address.ts";
import type { Member } from "../steering/member.ts";

/** A server that accepts has taken a connection out of the queue by then. */
const LOOK_MS = 20;
/** From one look to the next; soon after its switch a generation is looked at more often. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1_000;
/** It is reported again: what follows may not have been possible then. */
const REMINDER_MS = 5_000;

interface Watched {
  readonly generation: RunningGeneration;
  readonly armed: Set<Member>;
  /** Set from the first connection that waits until the watch is armed again. */
  timer: Timer | null;
  pauseMs: number;
  closedSinceMs: number | null;
  /** That was reported. */
  isDeaf: boolean;
  /** A descriptor that was one of its listeners: the quickest proof that it has not closed them. */
  proof: { readonly pid: number; readonly fd: number; readonly target: string } | null;
}

export class DeafWatch {
  readonly #watched = new Map<number, Watched>();

  constructor(
    readonly context: RunningContext,
    readonly running: ReadonlyMap<number, GenerationHandle>,
  ) {
    context.listeners.onWaiting = (member) => this.#onWaiting(member);
  }

  /** Called after each step: watches the generations that get connections, and their new listeners. */
  update(state: ServiceState): void {
    const { running } = this;
    const epochs = [servingOf(state)?.epoch, bakingOf(state)?.epoch];
    for (const [epoch, { isDeaf }] of this.#watched) {
      if (epochs.includes(epoch)) continue;
      this.#forget(epoch);
      // What still waits in its queues cannot be answered: a reset now is better than one at the end of its drain. But the
      // one that starts when this has ended gets them.
      if (isDeaf && state.held !== epoch) this.context.listeners.retire(epoch);
    }
    for (const epoch of epochs) {
      const generation = running.get(epoch ?? NaN);
      if (!(generation instanceof RunningGeneration) || generation.hasExited) continue;
      let watched = this.#watched.get(generation.epoch);
      if (watched === undefined) {
        const nothing = { timer: null, closedSinceMs: null, isDeaf: false, proof: null };
        watched = { generation, armed: new Set(), pauseMs: FIRST_PAUSE_MS, ...nothing };
        this.#watched.set(generation.epoch, watched);
      }
      if (watched.timer === null) this.#arm(watched);
    }
  }

  close(): void {
    for (const epoch of [...this.#watched.keys()]) this.#forget(epoch);
  }

  #forget(epoch: number): void {
    this.#watched.get(epoch)?.timer?.cancel();
    this.#watched.delete(epoch);
  }

  #arm({ generation, armed }: Watched): void {
    for (const member of this.#membersOf(generation)) {
      if (armed.has(member)) continue;
      armed.add(member);
      member.shutDownWatch?.arm({ read: true });
    }
  }

  #membersOf({ epoch }: RunningGeneration): Member[] {
    // The kernel reports nothing of a datagram that no process reads.
    return this.context.listeners.groups.filter((group) => !isDatagram(group))
      .flatMap((group) => group.membersOf(epoch))
      .filter(({ owner, standsIn = false }) => owner !== 0 && !standsIn);
  }

  #onWaiting(member: Member): void {
    const watched = this.#watched.get(member.epoch);
    if (watched === undefined) return;
    watched.armed.delete(member);
    if (watched.timer === null) this.#after(watched, LOOK_MS, () => this.#look(watched));
  }

  #after(watched: Watched, delayMs: number, then: () => void): void {
    watched.timer = this.context.platform.clock.after(delayMs, then);
  }

  #look(watched: Watched): void {
    const { dispatch, listeners, platform: { clock } } = this.context;
    const { generation } = watched;
    const isGone = this.#membersOf(generation).length === 0;
    // Its replacement has its queues.
    if (watched.isDeaf && isGone) return this.#remind(watched);
    const pids = generation.processes();
    const atMs = clock.now();
    const isNew = watched.closedSinceMs === null;
    // After a shutdown(2) clients are refused.
    const waiting = isGone ? 1 : isNew ? this.#waitingFor(generation) : 0;
    const isHeld = waiting === 0 && isNew || this.#holds(watched, pids);
    const look = { atMs, waiting, isHeld, isAsleep: !isHeld && pids.every(isAsleep) };
    const sinceMs = watched.closedSinceMs = deafSince(watched.closedSinceMs, look);
    if (sinceMs === null && isGone) return this.#remind(watched);
    if (sinceMs === null) return this.#pause(watched);
    const leftMs = sinceMs + DEAF_MS - atMs;
    if (leftMs > 0) return this.#after(watched, leftMs, () => this.#look(watched));
    watched.closedSinceMs = null;
    watched.isDeaf = true;
    this.#remind(watched);
    const { epoch, workers } = generation;
    if (listeners.servingEpoch === epoch) listeners.deafEpoch = epoch;
    const reason = closedText([...new Set(workers.all.flatMap(({ gate }) => gate.closed))]);
    dispatch({ kind: "unhealthy", epoch, reason, deaf: true });
  }

  #remind(watched: Watched): void {
    this.#after(watched, REMINDER_MS, () => this.#look(watched));
  }

  #pause(watched: Watched): void {
    const { listeners } = this.context;
    if (listeners.deafEpoch === watched.generation.epoch) listeners.deafEpoch = null;
    watched.isDeaf = false;
    this.#after(watched, watched.pauseMs, () => {
      watched.timer = null;
      // It may have been shut down during the pause.
      if (this.#membersOf(watched.generation).length === 0) return this.#look(watched);
      this.#arm(watched);
    });
    watched.pauseMs = Math.min(2 * watched.pauseMs, LONGEST_PAUSE_MS);
  }

  /** 0 where it cannot be asked. */
  #waitingFor(generation: RunningGeneration): number {
    const { sockDiag } = this.context.platform;
    const waiting = ({ heldUntilRetired }: Member) =>
      orNull(() => sockDiag.waitingIn(heldUntilRetired)) ?? 0;
    return this.#membersOf(generation).reduce((sum, member) => sum + waiting(member), 0);
  }

  #holds(watched: Watched, pids: readonly number[]): boolean {
    const { proof, generation } = watched;
    if (proof !== null && descriptorTarget(proof.pid, proof.fd) === proof.target) return true;
    const members = this.#membersOf(generation);
    watched.proof = findProof(members, pids);
    if (watched.proof !== null || pids.length === 0) return true;
    generation.refreshListeners();
    // A dead worker's listener waits for the next worker.
    return members.some(({ unheld, owner }) => !unheld || !pids.includes(owner));
  }
}

function findProof(members: readonly Member[], pids: readonly number[]): Watched["proof"] {
  for (const pid of pids) {
    const open = socketDescriptorsOf(pid, members.map(({ inode }) => inode));
    for (const { inode } of members) {
      const fd = open.get(inode);
      const target = fd === undefined ? null : descriptorTarget(pid, fd);
      if (fd !== undefined && target !== null) return { pid, fd, target };
    }
  }
  return null;
}
