/** What a server's leading process leaves behind when it exits: helpers, watchers, workers. */
import { busyAmong, type ServicePorts, SocketTable } from "../drain/connections.ts";
import type { Clock, Timer } from "../platform/clock.ts";
import type { Platform } from "../platform/platform.ts";
import { type KilledProcess, killedText } from "../report/killed_processes.ts";
import { DrainFiles } from "./goodbye/drain_files.ts";

/** Between two looks at processes that still answer. */
const LOOK_MS = 50;
/** The part of the stop time that they may take before their signal; the rest is for its handler. */
const PATIENCE = 1 / 2;

interface LeftoverSignalsOptions {
  readonly clock: Clock;
  readonly stopTimeMs: number;
  processes(): number[];
  /** @returns those of the processes that still answer a request */
  findBusy(pids: readonly number[]): ReadonlySet<number>;
  sendStopSignal(pid: number): void;
  /** Processes still answer, and get the signal because their time is over. */
  onOverdue?(): void;
  onAllSignaled?(): void;
}

/**
 * Each process gets the stop signal once. A process that still answers a request may finish first: its leader may have
 * signaled it, and to many servers a second signal means "do not wait".
 */
export class LeftoverSignals {
  readonly #signaled = new Set<number>();
  #patientUntilMs = 0;
  #wasPatient = false;
  #timer: Timer | null = null;

  constructor(readonly options: LeftoverSignalsOptions) {}

  /** @param gently waits for those that still answer a request @returns how many it waits for */
  send(gently: boolean): number {
    const { clock, stopTimeMs } = this.options;
    this.#patientUntilMs = clock.now() + (gently ? stopTimeMs * PATIENCE : 0);
    return this.#look();
  }

  #look(): number {
    const { clock, processes, findBusy, sendStopSignal, onOverdue, onAllSignaled } = this.options;
    const unsignaled = processes().filter((pid) => !this.#signaled.has(pid));
    const isPatient = clock.now() < this.#patientUntilMs;
    const busy = isPatient ? findBusy(unsignaled) : new Set<number>();
    // Processes that have got no signal in a first round were busy.
    if (this.#wasPatient && !isPatient && unsignaled.length > 0) onOverdue?.();
    this.#wasPatient = isPatient;
    for (const pid of unsignaled) {
      if (busy.has(pid)) continue;
      this.#signaled.add(pid);
      sendStopSignal(pid);
    }
    if (busy.size > 0) this.#timer = clock.after(LOOK_MS, () => void this.#look());
    else onAllSignaled?.();
    return busy.size;
  }

  cancel(): void {
    this.#timer?.cancel();
  }
}

/** Without a result where the look fails (no descriptor left): it must not hold a signal back. */
export function busyProcesses(
  platform: Platform,
  ports: ServicePorts,
  quietMs: number,
  pids: readonly number[],
): ReadonlySet<number> {
  try {
    return busyAmong(pids, new SocketTable(platform, ports), quietMs);
  } catch {
    return new Set();
  }
}

interface Leftover {
  readonly epoch: number;
  processes(): number[];
  /** KILL for all. @returns the processes that it hit */
  kill(): KilledProcess[];
  onAllExited(): void;
}

/**
 * Where the leading process exited by itself, the lifecycle does not wait for the rest: they have the stop time, then
 * get KILL, and baton exits after the last of them.
 */
export class Leftovers {
  /** Files that are there while generations say goodbye. */
  readonly drainFiles = new DrainFiles();
  readonly #all = new Map<Leftover, Timer>();
  #whenEmpty: (() => void)[] = [];
  /** Processes of any generation that had to be killed since this was last cleared. */
  readonly killed: KilledProcess[] = [];

  constructor(readonly clock: Clock) {}

  /** @param stopTimeMs from now to KILL */
  add(leftover: Leftover, stopTimeMs: number, log: (text: string) => void): void {
    const kill = () => {
      const killed = leftover.kill();
      this.killed.push(...killed);
      if (killed.length > 0) log(`generation ${leftover.epoch}: ${killedText(killed)}`);
      this.check();
    };
    this.#all.set(leftover, this.clock.after(stopTimeMs, kill));
    this.check();
  }

  /** A process has exited, which may have been the last one. */
  check(): void {
    for (const [leftover, timer] of [...this.#all]) {
      if (leftover.processes().length > 0) continue;
      timer.cancel();
      this.#all.delete(leftover);
      leftover.onAllExited();
    }
    if (this.#all.size > 0) return;
    for (const then of this.#whenEmpty.splice(0)) then();
  }

  /** Kills all leftovers now, without waiting for their stop time. */
  killAll(): void {
    for (const leftover of this.#all.keys()) this.killed.push(...leftover.kill());
    this.check();
  }

  /** Calls `then` when no process is left, at once if that is so. */
  whenEmpty(then: () => void): void {
    this.#whenEmpty.push(then);
    this.check();
  }
}
