/**
 * What is left of generations whose leading process has ended by itself. The lifecycle has gone on without them: they
 * have their stop signal, get the stop time, and then KILL. baton ends after the last of them.
 */
import { type KilledProcess, killedText } from "../report/killed_processes.ts";

/** One generation's. */
interface Leftover {
  readonly epoch: number;
  processes(): number[];
  /** KILL for all. @returns whom it met */
  kill(): KilledProcess[];
  /** The last one is gone. */
  onGone(): void;
}

export class Leftovers {
  readonly #all = new Map<Leftover, ReturnType<typeof setTimeout>>();
  #waiting: (() => void)[] = [];
  /** Processes that had to be killed since this was last emptied, of all generations. */
  readonly killed: KilledProcess[] = [];

  /** @param stopTimeMs from now to KILL */
  add(remnant: Leftover, stopTimeMs: number, log: (text: string) => void): void {
    this.#all.set(remnant, setTimeout(() => this.#kill(remnant, log), stopTimeMs));
    this.check();
  }

  #kill(remnant: Leftover, log: (text: string) => void): void {
    const killed = remnant.kill();
    this.killed.push(...killed);
    if (killed.length > 0) log(`generation ${remnant.epoch}: ${killedText(killed)}`);
    this.check();
  }

  /** Some process has ended: maybe the last one. */
  check(): void {
    for (const [remnant, timer] of [...this.#all]) {
      if (remnant.processes().length > 0) continue;
      clearTimeout(timer);
      this.#all.delete(remnant);
      remnant.onGone();
    }
    if (this.#all.size > 0) return;
    for (const then of this.#waiting.splice(0)) then();
  }

  /** Does not wait for the stop time. */
  killAll(): void {
    for (const remnant of this.#all.keys()) this.killed.push(...remnant.kill());
    this.check();
  }

  /** Calls `then` when nothing is left, at once if that is so. */
  whenEmpty(then: () => void): void {
    this.#waiting.push(then);
    this.check();
  }
}
