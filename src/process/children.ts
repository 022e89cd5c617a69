/**
 * All child processes of baton, which is a subreaper: what a server leaves behind (double forks, workers of a dead
 * master) becomes its child, is reaped here, and still counts as part of its generation.
 */
import type { Platform } from "../platform/platform.ts";
import type { ExitStatus, Stopped } from "../platform/process/wait_status.ts";
import * as proc from "../platform/process/proc.ts";
import { ExitWatch } from "./exit_watch.ts";
import { Helpers } from "./helpers.ts";

export interface Leader {
  readonly pid: number;
  readonly epoch: number;
  /** Its number in the generation. */
  readonly worker: number;
  /** Orphans of its number that are older belong to an earlier leader, and those from `replacedAt` on to a later one. */
  readonly startTime: number;
  readonly replacedAt?: number | null;
  /** Start times of processes that were seen in its tree, by pid. */
  readonly known?: ReadonlyMap<number, number>;
  /** Whether an open descriptor shows that a process belongs to this generation. */
  holdsMember(pid: number): boolean;
  onLeaderExit(status: ExitStatus): void;
}

export class Children {
  readonly #leaders = new Map<number, Leader>();
  /** Leaders that an earlier baton started before it was killed: not children of this process. */
  readonly #foreign = new Set<Leader>();
  /** Children outside any generation (the next baton, a check), with their exit handlers. */
  readonly #helpers = new Map<number, (status: ExitStatus) => void>();
  readonly #foreignExits: ExitWatch;
  /** Helpers, which belong to the service and not to a generation. */
  readonly helpers: Helpers;
  readonly #descendantExitListeners = new Set<() => void>();
  readonly #stopListening: () => void;

  /** @param onLeaderStopped a signal has stopped a leading process, not ended it */
  constructor(
    readonly platform: Platform,
    readonly onLeaderStopped: (pid: number, signal: number) => void,
  ) {
    this.#foreignExits = new ExitWatch(platform);
    this.helpers = new Helpers(platform);
    platform.processes.becomeSubreaper();
    this.#stopListening = platform.runtime.onSignal("SIGCHLD", () => this.reap());
  }

  add(leader: Leader): void {
    this.#leaders.set(leader.pid, leader);
  }

  /** Adds a leader that is alive, and not a child: its exit is reported once it is watched. */
  addForeign(leader: Leader): void {
    this.#foreign.add(leader);
    this.#leaders.set(leader.pid, leader);
  }

  /** Watches a foreign leader: its exit is reported, but not how it ended. @throws {SystemCallError} ESRCH */
  watchForeign(leader: Leader): void {
    this.#foreignExits.watch(leader.pid, () => {
      this.#leaders.delete(leader.pid);
      leader.onLeaderExit({ kind: "unknown" });
      this.followForeignRest(leader);
    });
  }

  /** The leader has exited while no baton was there to see it. */
  leaveForeign(leader: Leader): void {
    if (this.#leaders.get(leader.pid) === leader) this.#leaders.delete(leader.pid);
  }

  followForeignRest(leader: Leader): void {
    this.#foreign.add(leader);
    for (const pid of this.processesOf(leader)) {
      this.#foreignExits.watch(pid, () => {
        this.followForeignRest(leader);
        this.#reportDescendantExit();
      });
    }
  }

  /** Adds a child that belongs to no generation, whatever it has open. */
  addHelper(pid: number, onExit: (status: ExitStatus) => void = () => {}): void {
    this.#helpers.set(pid, onExit);
  }

  /** Processes that lead no generation have exited. @returns unsubscribes `listener` */
  onDescendantExit(listener: () => void): () => void {
    this.#descendantExitListeners.add(listener);
    return () => this.#descendantExitListeners.delete(listener);
  }

  #reportDescendantExit(): void {
    for (const listener of [...this.#descendantExitListeners]) listener();
  }

  reap(): void {
    let descendants = 0;
    const exits: (() => void)[] = [];
    const stopped: Stopped[] = [];
    for (;;) {
      const reaped = this.platform.processes.news();
      if (reaped === null) break;
      if ("stoppedBy" in reaped) {
        stopped.push(reaped);
        continue;
      }
      const { pid, status } = reaped;
      const leader = this.#leaders.get(pid);
      const onHelperExit = this.#helpers.get(pid);
      this.#leaders.delete(pid);
      this.#helpers.delete(pid);
      if (leader) exits.push(() => leader.onLeaderExit(status));
      else descendants++;
      if (onHelperExit) exits.push(() => onHelperExit(status));
    }
    // Reported after all are reaped: a handler that throws must not leave the others unreaped.
    for (const report of exits) {
      try {
        report();
      } catch (error) {
        this.platform.reactor.onError(error);
      }
    }
    if (descendants > 0) this.#reportDescendantExit();
    for (const { pid, stoppedBy } of stopped) {
      if (this.#leaders.has(pid)) this.onLeaderStopped(pid, stoppedBy);
    }
  }

  /**
   * Processes below baton that belong to no generation, and are none of its own: sessions of sshd, daemons that servers or
   * hooks have started, and that have left without a trace.
   */
  strangers(): number[] {
    const own = (pid: number) => this.#leaders.has(pid) || this.#helpers.has(pid);
    return this.#children().filter((pid) => !own(pid))
      .flatMap(proc.processTree).filter((pid) => proc.isRunning(pid));
  }

  /**
   * Children of the first thread: all are started in it, and the kernel gives a subreaper's orphans to the first thread
   * that it finds, too (find_alive_thread() in kernel/exit.c). The other threads have none.
   */
  #children(): number[] {
    const { pid } = this.platform.runtime;
    return proc.childrenOfThread(pid, pid);
  }

  leaders(): number[] {
    return [...this.#leaders.keys()];
  }

  /** Processes of a generation: the tree of its leader, and orphans from it that baton inherited. */
  processesOf(leader: Leader): number[] {
    const found = this.#foundOf(leader);
    const known = [...leader.known ?? []].filter(([pid, startTime]) =>
      !found.includes(pid) && proc.isRunning(pid, startTime)
    );
    return [...found, ...known.map(([pid]) => pid)].filter((pid) => !this.helpers.has(pid));
  }

  #foundOf(leader: Leader): number[] {
    const tree = this.#leaders.has(leader.pid) ? proc.processTree(leader.pid) : [];
    if (this.#foreign.has(leader)) {
      return [...tree, ...orphansOf(leader, tree)].filter((pid) => proc.isRunning(pid));
    }
    const orphans = this.#children()
      .filter((child) => !this.#leaders.has(child) && this.#belongs(child, leader));
    return [...tree, ...orphans.flatMap(proc.processTree)].filter((pid) => proc.isRunning(pid));
  }

  #belongs(child: number, leader: Leader): boolean {
    const stat = proc.processStat(child);
    if (stat === null || this.#helpers.has(child)) return false;
    if (stat.group === leader.pid || stat.session === leader.pid) return true;
    if (stat.startTime < leader.startTime) return false;
    if (stat.startTime >= (leader.replacedAt ?? Infinity)) return false;
    // It left group and session (setsid): its environment still shows its generation, or else its
    // descriptors do (nginx writes its title over its environment).
    const epoch = proc.environmentValue(child, "BATON_EPOCH");
    if (epoch === null) return leader.holdsMember(child);
    // A worker that an earlier version of baton started has no number, and is the only one.
    const worker = proc.environmentValue(child, "BATON_WORKER") ?? "0";
    return epoch === String(leader.epoch) && worker === String(leader.worker);
  }

  close(): void {
    this.#foreignExits.close();
    this.helpers.close();
    this.#stopListening();
  }
}

/** Processes of a leader's group or session that are not below it: init has inherited them. */
function orphansOf(leader: Leader, tree: readonly number[]): number[] {
  return proc.allProcesses().filter((pid) => {
    const stat = proc.processStat(pid);
    if (stat === null || tree.includes(pid)) return false;
    return stat.group === leader.pid || stat.session === leader.pid;
  });
}
