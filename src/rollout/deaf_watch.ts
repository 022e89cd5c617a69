/**
 * Finds a worker of the serving generation, or of one on trial, that has closed its listeners and lives on
 * (health/deafness.ts). The kernel reports a shutdown(2) of them; it does not report a close(2), but the first connection
 * that waits: the watch is armed for one event, looks a moment later whether the server has accepted it, and is armed
 * again after a pause. Without clients it does nothing.
 */
import { closedText } from "../generation/gate.ts";
import { RunningGeneration } from "../generation/generation.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import type { RunningContext } from "../generation/context.ts";
import type { Worker } from "../generation/workers/worker.ts";
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
  readonly worker: Worker;
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
  readonly #watched = new Set<Watched>();

  constructor(
    readonly context: RunningContext,
    readonly running: ReadonlyMap<number, GenerationHandle>,
  ) {
    context.listeners.onWaiting = (member) => this.#onWaiting(member);
  }

  /** Called after each step: watches the workers that get connections, and their new listeners. */
  update(state: ServiceState): void {
    const epochs = [servingOf(state)?.epoch, bakingOf(state)?.epoch];
    const workers = epochs.flatMap((epoch) => this.#workersOf(epoch ?? NaN));
    for (const watched of this.#watched) {
      const { isDeaf, worker } = watched;
      if (workers.includes(worker)) continue;
      this.#forget(watched);
      if (epochs.includes(worker.epoch)) continue;
      // What still waits in its queues cannot be answered: a reset now is better than one at the end of its drain. But the
      // one that starts when this has ended gets them.
      const isGone = isDeaf && worker.host.isAlone(worker);
      if (isGone && state.held !== worker.epoch) this.context.listeners.retire(worker.epoch);
    }
    for (const worker of workers) {
      let watched = this.#watchedOf(worker);
      if (watched === undefined) {
        const nothing = { timer: null, closedSinceMs: null, isDeaf: false, proof: null };
        watched = { worker, armed: new Set(), pauseMs: FIRST_PAUSE_MS, ...nothing };
        this.#watched.add(watched);
      }
      if (watched.timer === null) this.#arm(watched);
    }
  }

  #workersOf(epoch: number): readonly Worker[] {
    const generation = this.running.get(epoch);
    if (!(generation instanceof RunningGeneration) || generation.hasExited) return [];
    return generation.workers.all.filter(({ state }) => state === "serving");
  }

  #watchedOf({ epoch, number }: Pick<Worker, "epoch" | "number">): Watched | undefined {
    return [...this.#watched].find(({ worker }) =>
      worker.epoch === epoch && worker.number === number
    );
  }

  close(): void {
    for (const watched of this.#watched) this.#forget(watched);
  }

  #forget(watched: Watched): void {
    watched.timer?.cancel();
    this.#watched.delete(watched);
  }

  #arm({ worker, armed }: Watched): void {
    for (const member of this.#membersOf(worker)) {
      if (armed.has(member)) continue;
      armed.add(member);
      member.shutDownWatch?.arm({ read: true });
    }
  }

  #membersOf({ epoch, number }: Worker): Member[] {
    // The kernel reports nothing of a datagram that no process reads.
    return this.context.listeners.groups.filter((group) => !isDatagram(group))
      .flatMap((group) => group.membersOf(epoch, number))
      .filter(({ owner, standsIn = false }) => owner !== 0 && !standsIn);
  }

  #onWaiting(member: Member): void {
    const watched = this.#watchedOf({ epoch: member.epoch, number: member.worker });
    if (watched === undefined) return;
    watched.armed.delete(member);
    if (watched.timer === null) this.#after(watched, LOOK_MS, () => this.#look(watched));
  }

  #after(watched: Watched, delayMs: number, then: () => void): void {
    watched.timer = this.context.platform.clock.after(delayMs, then);
  }

  #look(watched: Watched): void {
    const { listeners, platform: { clock } } = this.context;
    const { worker } = watched;
    const isGone = this.#membersOf(worker).length === 0;
    // Its replacement has its queues.
    if (watched.isDeaf && isGone) return this.#remind(watched);
    const pids = worker.server.processes();
    const atMs = clock.now();
    const isNew = watched.closedSinceMs === null;
    // After a shutdown(2) clients are refused.
    const waiting = isGone ? 1 : isNew ? this.#waitingFor(worker) : 0;
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
    const { epoch, gate, host } = worker;
    const isAlone = host.isAlone(worker);
    if (listeners.servingEpoch === epoch && isAlone) listeners.deafEpoch = epoch;
    host.onUnhealthy(worker, closedText(gate.closed), true);
  }

  #remind(watched: Watched): void {
    this.#after(watched, REMINDER_MS, () => this.#look(watched));
  }

  #pause(watched: Watched): void {
    const { listeners } = this.context;
    if (listeners.deafEpoch === watched.worker.epoch) listeners.deafEpoch = null;
    watched.isDeaf = false;
    this.#after(watched, watched.pauseMs, () => {
      watched.timer = null;
      // It may have been shut down during the pause.
      if (this.#membersOf(watched.worker).length === 0) return this.#look(watched);
      this.#arm(watched);
    });
    watched.pauseMs = Math.min(2 * watched.pauseMs, LONGEST_PAUSE_MS);
  }

  /** 0 where it cannot be asked. */
  #waitingFor(worker: Worker): number {
    const { sockDiag } = this.context.platform;
    const waiting = ({ heldUntilRetired }: Member) =>
      orNull(() => sockDiag.waitingIn(heldUntilRetired)) ?? 0;
    return this.#membersOf(worker).reduce((sum, member) => sum + waiting(member), 0);
  }

  #holds(watched: Watched, pids: readonly number[]): boolean {
    const { proof, worker } = watched;
    if (proof !== null && descriptorTarget(proof.pid, proof.fd) === proof.target) return true;
    const members = this.#membersOf(worker);
    watched.proof = findProof(members, pids);
    if (watched.proof !== null || pids.length === 0) return true;
    worker.adoptTarget.refreshListeners();
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
