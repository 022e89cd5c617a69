/**
 * All of baton's child processes: reaping them, and knowing which generation a stray one belongs to.
 *
 * baton is a subreaper: whatever a server leaves behind (double forks, workers of a dead master)
 * becomes its child, is reaped here, and still counts as part of its generation.
 */
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import type { ExitStatus, Stopped } from "../platform/process/processes.ts";
import * as proc from "../platform/process/proc.ts";
import type { Watch } from "../platform/reactor.ts";

/** A generation's leading process, as the table of children sees it. */
export interface Leader {
  readonly pid: number;
  readonly epoch: number;
  /** Start times of processes that were seen to be its own. */
  readonly known?: ReadonlyMap<number, number>;
  /** Whether a process, by what it has open, belongs to it. */
  holdsMember(pid: number): boolean;
  /** The process that leads has ended. */
  onLeaderExit(status: ExitStatus): void;
  /** Some process that is not a leader was reaped: a lingering generation may be complete now. */
  onDescendantExit(): void;
}

export class Children {
  readonly #leaders = new Map<number, Leader>();
  /** Leaders that another baton has started before it was killed: no children of ours. */
  readonly #foreign = new Set<Leader>();
  readonly #ends = new Map<number, { pidfd: Fd; watch: Watch }>();
  /** Children that are no servers (a baton that is to replace this one, a check), and who is told of their end. */
  readonly #strangers = new Map<number, (status: ExitStatus) => void>();
  readonly #stopListening: () => void;

  constructor(readonly platform: Platform) {
    platform.processes.becomeSubreaper();
    this.#stopListening = platform.runtime.onSignal("SIGCHLD", () => this.reap());
  }

  add(leader: Leader): void {
    this.#leaders.set(leader.pid, leader);
  }

  /**
   * A leader that is no child of ours, and alive: its end is told by the kernel, how it ended is not.
   * @throws {SystemCallError} ESRCH when it has ended
   */
  addForeign(leader: Leader): void {
    this.#foreign.add(leader);
    this.#leaders.set(leader.pid, leader);
    this.#onEnd(leader.pid, () => {
      this.#leaders.delete(leader.pid);
      leader.onLeaderExit({ kind: "unknown" });
      this.followForeignRest(leader);
    });
  }

  /** Watches what a leader that is no child of ours has left behind. */
  followForeignRest(leader: Leader): void {
    this.#foreign.add(leader);
    for (const pid of this.processesOf(leader)) {
      this.#onEnd(pid, () => {
        this.followForeignRest(leader);
        this.onStrayReaped();
      });
    }
  }

  #onEnd(pid: number, then: () => void): void {
    if (this.#ends.has(pid)) return;
    const pidfd = this.platform.processes.openPidfd(pid);
    const watch = this.platform.reactor.watch(pidfd, () => {
      this.#forget(pid);
      then();
    });
    this.#ends.set(pid, { pidfd, watch });
  }

  #forget(pid: number): void {
    this.#ends.get(pid)?.watch.cancel();
    this.#ends.get(pid)?.pidfd.close();
    this.#ends.delete(pid);
  }

  /** A child that belongs to no generation, whatever it has open. */
  addHelper(pid: number, onEnd: (status: ExitStatus) => void = () => {}): void {
    this.#strangers.set(pid, onEnd);
  }

  /** Reaps everything that has ended. */
  reap(): void {
    let strays = 0;
    const ended: { status: ExitStatus; tell: (status: ExitStatus) => void }[] = [];
    const stopped: Stopped[] = [];
    for (;;) {
      const reaped = this.platform.processes.news();
      if (reaped === null) break;
      if ("stoppedBy" in reaped) {
        stopped.push(reaped);
        continue;
      }
      const leader = this.#leaders.get(reaped.pid);
      const stranger = this.#strangers.get(reaped.pid);
      this.#leaders.delete(reaped.pid);
      this.#strangers.delete(reaped.pid);
      const { status } = reaped;
      if (leader) ended.push({ status, tell: () => leader.onLeaderExit(status) });
      else strays++;
      if (stranger) ended.push({ status, tell: stranger });
    }
    // Told after all are reaped: one that throws must not leave the others unreaped.
    for (const { status, tell } of ended) {
      try {
        tell(status);
      } catch (error) {
        this.platform.reactor.onError(error);
      }
    }
    if (strays > 0) this.onStrayReaped();
    for (const { pid, stoppedBy } of stopped) {
      if (this.#leaders.has(pid)) this.onStopped(pid, stoppedBy);
    }
  }

  /** The processes that lead a generation here and live. */
  leaders(): number[] {
    return [...this.#leaders.keys()];
  }

  /** Set by what shares out the terminal: a leading process was stopped by a signal. */
  onStopped: (pid: number, signal: number) => void = () => {};

  /** Set by the supervisor: tells every generation that a stray was reaped. */
  onStrayReaped: () => void = () => {};

  /** Processes of a generation: the tree of its leader, and orphans that came to us from it. */
  processesOf(leader: Leader): number[] {
    const found = this.#foundOf(leader);
    const known = [...leader.known ?? []].filter(([pid, startTime]) =>
      !found.includes(pid) && proc.isRunning(pid, startTime)
    );
    return [...found, ...known.map(([pid]) => pid)];
  }

  #foundOf(leader: Leader): number[] {
    const tree = this.#leaders.has(leader.pid) ? proc.processTree(leader.pid) : [];
    if (this.#foreign.has(leader)) {
      return [...tree, ...orphansOf(leader, tree)].filter((pid) => proc.isRunning(pid));
    }
    const orphans = proc.childrenOf(this.platform.runtime.pid)
      .filter((child) => !this.#leaders.has(child) && this.#belongs(child, leader));
    return [...tree, ...orphans.flatMap(proc.processTree)].filter((pid) => proc.isRunning(pid));
  }

  #belongs(child: number, leader: Leader): boolean {
    const stat = proc.processStat(child);
    if (stat === null || this.#strangers.has(child)) return false;
    if (stat.group === leader.pid || stat.session === leader.pid) return true;
    // It left group and session (setsid): what it was started with still tells, or what it has open
    // (nginx writes its title over its environment).
    const epoch = proc.environmentValue(child, "BATON_EPOCH");
    return epoch === null ? leader.holdsMember(child) : epoch === String(leader.epoch);
  }

  close(): void {
    for (const pid of [...this.#ends.keys()]) this.#forget(pid);
    this.#stopListening();
  }
}

/** Processes of a leader's group or session that are not below it: they belong to init now. */
function orphansOf(leader: Leader, tree: readonly number[]): number[] {
  return proc.allProcesses().filter((pid) => {
    const stat = proc.processStat(pid);
    if (stat === null || tree.includes(pid)) return false;
    return stat.group === leader.pid || stat.session === leader.pid;
  });
}
