/**
 * Finds a worker of the serving generation, or of one on trial, that has closed its listeners and lives on
 * (health/deafness.ts). The kernel reports a shutdown(2) of them; it does not report a close(2), but the first connection
 * that waits: the watch is armed for one event, looks a moment later whether the server has accepted it, and is armed
 * again after a pause. Without clients it does nothing.
 *
 * A candidate that has failed beside it may have told it to stop accepting: that is looked for at once (`examine`), and then
 * a worker that has its listeners and ignores them is deaf, too.
 */
import { closedText } from "../generation/gate.ts";
import { RunningGeneration } from "../generation/generation.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import type { RunningContext } from "../generation/context.ts";
import type { Worker } from "../generation/workers/worker.ts";
import { DEAF_MS, deafSince, IGNORING_MS } from "../health/deafness.ts";
import { bakingOf, candidateOf, type ServiceState, servingOf } from "../lifecycle/state.ts";
import type { Timer } from "../platform/clock.ts";
import { descriptorTarget, socketDescriptorsOf } from "../platform/process/proc.ts";
import { isAsleep } from "../platform/process/rest.ts";
import type { Group } from "../steering/group.ts";
import type { Member } from "../steering/member.ts";
import { type Suspicion, WorkerListeners } from "./worker_listeners.ts";

/** A server that accepts has taken a connection out of the queue by then. */
const LOOK_MS = 20;
/** Between two looks. Soon after its switch a generation is looked at more often. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 1_000;
/** For how long a listener that was passed on may be given up: its server hears of that, or finds its successor. */
const PASSED_MS = 60_000;
/** When a deaf worker is reported again: what follows may not have been possible the first time. */
const REMINDER_MS = 5_000;

interface Watched {
  readonly worker: Worker;
  readonly own: WorkerListeners;
  readonly armed: Set<Member>;
  /** Set from the first connection that waits until the watch is armed again. */
  timer: Timer | null;
  pauseMs: number;
  closedSinceMs: number | null;
  /** Whether it was reported to be deaf. */
  isDeaf: boolean;
  /** What a candidate that has failed beside it may have done; null: none has. */
  suspicion: Suspicion | null;
  /** A descriptor that was one of its listeners: the quickest proof that it has not closed them. */
  proof: { readonly pid: number; readonly fd: number; readonly target: string } | null;
}

export class DeafWatch {
  readonly #watched = new Set<Watched>();
  /** Epoch of the latest candidate, and where each worker had a listener open when that was started. */
  #candidate = -1;
  readonly #before = new Map<string, readonly string[]>();
  #isPending = false;

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
        const nothing = {
          timer: null,
          closedSinceMs: null,
          isDeaf: false,
          suspicion: null,
          proof: null,
        };
        const own = new WorkerListeners(this.context, worker);
        watched = { worker, own, armed: new Set(), pauseMs: FIRST_PAUSE_MS, ...nothing };
        this.#watched.add(watched);
      }
      if (watched.timer === null) this.#arm(watched);
    }
    this.#noteOpen(candidateOf(state)?.epoch ?? null);
  }

  #noteOpen(candidate: number | null): void {
    this.#isPending = candidate !== null;
    if (candidate === null || candidate <= this.#candidate) return;
    this.#candidate = candidate;
    this.#before.clear();
    for (const { worker, own } of this.#watched) this.#before.set(nameOf(worker), own.openAt);
  }

  /**
   * A candidate has failed beside `epoch`, which serves: does that accept still?
   * @param wasPassed the candidate had listeners of it
   * @returns what has become of it meanwhile, as a part of a sentence; null: nothing
   */
  examine(epoch: number, wasPassed: boolean): string | null {
    const found = this.#workersOf(epoch).flatMap((worker) => {
      const watched = this.#watchedOf(worker);
      if (watched === undefined) return [];
      const { own } = watched;
      const wereOpen = this.#before.get(nameOf(worker)) ?? own.openAt;
      worker.adoptTarget.refreshListeners();
      const areOpen = own.openAt;
      const closed = wereOpen.filter((text) => !areOpen.includes(text));
      watched.suspicion = { wasPassed, sinceMs: this.context.platform.clock.now() };
      const { ignored, isSure } = own.ignored(watched.suspicion);
      watched.timer?.cancel();
      this.#look(watched);
      const texts = ignored.length > 0
        ? [`${isSure ? "" : "perhaps "}${ignoredText(ignored)}`]
        : [];
      if (closed.length > 0) {
        const what = `it has closed its listener at ${closed.join(", ")}`;
        texts.push(what);
        // It is not deaf, but clients are refused where it was: the failed candidate has told it to close.
        if (areOpen.length > 0) worker.host.onUnhealthy(worker, what, true);
      }
      return texts;
    });
    return found.length === 0 ? null : [...new Set(found)].join("; ");
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

  #arm({ own, armed }: Watched): void {
    for (const member of own.members) {
      if (armed.has(member)) continue;
      armed.add(member);
      member.shutDownWatch?.arm({ read: true });
    }
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
    const { worker, own, suspicion } = watched;
    const isGone = own.members.length === 0;
    // What follows comes when the candidate has failed; if that is its replacement, it has its queues.
    if (watched.isDeaf && isGone && this.#isPending) return this.#remind(watched);
    const pids = worker.server.processes();
    const atMs = clock.now();
    const isNew = watched.closedSinceMs === null;
    const { ignored, isSure } = own.ignored(suspicion);
    const ignores = ignored.length > 0;
    // It is certain after a shutdown(2), since clients are refused, and where a listener was passed on, since it will
    // not be accepted from again.
    const isCertain = isGone || suspicion?.wasPassed === true && isSure;
    const waiting = isCertain ? 1 : isNew || suspicion !== null ? own.waiting : 0;
    const holds = waiting === 0 && isNew || !ignores && this.#holds(watched, pids);
    // A listener that was shut down is not held, though its descriptor is open.
    const isHeld = pids.length === 0 || !isGone && holds;
    const look = { atMs, waiting, isHeld, isAsleep: !isHeld && pids.every(isAsleep) };
    const sinceMs = watched.closedSinceMs = deafSince(watched.closedSinceMs, look);
    if (sinceMs === null) return this.#pause(watched, ignores);
    const leftMs = sinceMs + (ignores && !isCertain ? IGNORING_MS : DEAF_MS) - atMs;
    if (leftMs > 0) {
      return this.#after(watched, Math.min(leftMs, DEAF_MS), () => this.#look(watched));
    }
    const reason = ignores ? ignoredText(ignored) : closedText(worker.gate.closed);
    // The queues are its replacement's.
    for (const { group, member } of ignored) group.markUnheld(member);
    watched.closedSinceMs = null;
    watched.isDeaf = true;
    this.#remind(watched);
    const { epoch, host } = worker;
    const isAlone = host.isAlone(worker);
    if (listeners.servingEpoch === epoch && isAlone) listeners.deafEpoch = epoch;
    host.onUnhealthy(worker, reason, true);
  }

  #remind(watched: Watched): void {
    this.#after(watched, REMINDER_MS, () => this.#look(watched));
  }

  #pause(watched: Watched, ignores: boolean): void {
    const { listeners, platform: { clock } } = this.context;
    if (listeners.deafEpoch === watched.worker.epoch) listeners.deafEpoch = null;
    watched.isDeaf = false;
    const { suspicion } = watched;
    if (suspicion !== null && !ignores) {
      // What the candidate has told it may come into effect later.
      const leftMs = suspicion.sinceMs + (suspicion.wasPassed ? PASSED_MS : DEAF_MS) - clock.now();
      if (leftMs <= 0) watched.suspicion = null;
      else if (!suspicion.wasPassed) {
        return this.#after(watched, leftMs, () => this.#look(watched));
      }
    }
    this.#after(watched, watched.pauseMs, () => {
      watched.timer = null;
      // The listener may have been shut down during the pause.
      if (watched.own.members.length === 0) return this.#look(watched);
      this.#arm(watched);
    });
    watched.pauseMs = Math.min(2 * watched.pauseMs, LONGEST_PAUSE_MS);
  }

  #holds(watched: Watched, pids: readonly number[]): boolean {
    const { proof, worker, own: { members } } = watched;
    if (proof !== null && descriptorTarget(proof.pid, proof.fd) === proof.target) return true;
    watched.proof = findProof(members, pids);
    if (watched.proof !== null || pids.length === 0) return true;
    worker.adoptTarget.refreshListeners();
    // A dead worker's listener waits for the next worker.
    return members.some(({ unheld, owner }) => !unheld || !pids.includes(owner));
  }
}

const nameOf = ({ epoch, number }: Worker) => `${epoch} ${number}`;

function ignoredText(ignored: readonly { readonly group: Group }[]): string {
  const where = [...new Set(ignored.map(({ group }) => group.text))].join(", ");
  return `none of its processes waits for connections at ${where} any more`;
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
