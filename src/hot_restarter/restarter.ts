/**
 * The process of `baton hot-restarter`: signals and ends of children in, effects out. As in the original, a signal that comes
 * again before it was looked at counts once, and of several the one with the lowest number comes first.
 */
import { type SignalName, signalNumber } from "../config/values/signals.ts";
import type { Timer } from "../platform/clock.ts";
import { encodeBytes } from "../platform/bytes.ts";
import { SystemCallError } from "../platform/error.ts";
import { Fd } from "../platform/fd.ts";
import { localTime } from "../platform/local_time.ts";
import type { Platform } from "../platform/platform.ts";
import { startFailedChild, startPlainChild } from "../platform/program/plain_child.ts";
import { childrenOf } from "../platform/process/proc.ts";
import type { Caught, Effect, Ended, Event } from "./exact.ts";
import { formatLine, type Line } from "./lines.ts";

const STDOUT = 1;
const CAUGHT = ["SIGHUP", "SIGINT", "SIGUSR1", "SIGTERM", "SIGCHLD"] as const;
/** The longest time of a timer, in milliseconds: without one the runtime would end, and with it nothing wakes. */
const FOREVER_MS = 2 ** 31 - 1;

/** What decides: exact.ts, or guarded.ts. */
interface Decider {
  /** Process ids of the children, in the order of their start. */
  readonly children: readonly number[];
  /** Whether ends of children are looked at when SIGCHLD comes. */
  readonly heedsChildren: boolean;
  /** Whether a look that is due is made. */
  readonly looksAgain: boolean;
  decide(event: Event): readonly Effect[];
  /** Where the next child writes its errors; null: to baton's own standard error. */
  openErrors(): Fd | null;
}

export interface RestarterOptions {
  readonly target: string;
  /** The environment of the children, without RESTART_EPOCH. */
  readonly env: Readonly<Record<string, string>>;
  /** Gets the reason why the target cannot be executed. */
  readonly onError: (message: string) => void;
}

export class Restarter {
  readonly #pending = new Set<SignalName>();
  #looking: Timer | null = null;
  readonly #ended = Promise.withResolvers<number>();
  #isOver = false;

  constructor(
    readonly platform: Platform,
    readonly decider: Decider,
    readonly options: RestarterOptions,
  ) {}

  /** @returns the exit status */
  async run(): Promise<number> {
    const { runtime, clock } = this.platform;
    const removers = CAUGHT.map((signal) => runtime.onSignal(signal, () => this.#onSignal(signal)));
    let timer: Timer;
    const stayAlive = () => {
      timer = clock.after(FOREVER_MS, stayAlive);
    };
    stayAlive();
    this.dispatch({ kind: "begin", target: this.options.target });
    try {
      return await this.#ended.promise;
    } finally {
      timer!.cancel();
      this.#looking?.cancel();
      removers.forEach((remove) => remove());
    }
  }

  dispatch(event: Event): void {
    if (!this.#isOver) this.perform(this.decider.decide(event));
  }

  perform(effects: readonly Effect[]): void {
    for (const effect of effects) this.#perform(effect);
  }

  #onSignal(signal: SignalName): void {
    if (this.#pending.size === 0) this.platform.clock.after(0, () => this.#deliver());
    this.#pending.add(signal);
  }

  #deliver(): void {
    const signals = [...this.#pending].sort((a, b) => signalNumber(a) - signalNumber(b));
    this.#pending.clear();
    for (const signal of signals) {
      if (signal !== "SIGCHLD") this.dispatch({ kind: "signal", signal: signal as Caught });
      else this.#lookAtChildren();
    }
  }

  #lookAtChildren(): void {
    if (this.decider.heedsChildren) this.dispatch({ kind: "children", ended: this.#reap() });
    this.#reapOthers();
  }

  #poll(): void {
    this.dispatch({ kind: "polled", ended: this.decider.looksAgain ? this.#reap() : [] });
  }

  #reap(): Ended[] {
    const { processes } = this.platform;
    return this.decider.children.flatMap((pid) => processes.reap(pid) ?? []);
  }

  /** Reaps orphans of servers, where this is process 1: they would stay zombies. */
  #reapOthers(): void {
    const { processes, runtime } = this.platform;
    for (const pid of childrenOf(runtime.pid)) {
      if (!this.decider.children.includes(pid)) processes.reap(pid);
    }
  }

  #perform(effect: Effect): void {
    if (this.#isOver) return;
    const { processes, clock } = this.platform;
    switch (effect.kind) {
      case "print":
        return this.#print(effect.line);
      case "fork":
        return this.#fork(effect.epoch);
      case "kill":
        if (!processes.signal(effect.pid, signalNumber(effect.signal))) this.#print(effect.failed);
        return;
      case "poll":
        this.#looking?.cancel();
        // The original's first look is no wait: with one, short-lived children would be gone.
        if (effect.afterMs === 0) return this.#poll();
        this.#looking = clock.after(effect.afterMs, () => this.#poll());
        return;
      case "exit":
        return this.#exit(effect.status);
    }
  }

  #fork(epoch: number): void {
    const { target, env, onError } = this.options;
    let event: Event;
    let standardError: Fd | null = null;
    try {
      standardError = this.decider.openErrors();
      const variables = { ...env, RESTART_EPOCH: String(epoch) };
      const child = { path: target, argv: [target], env: variables, standardError };
      event = { kind: "forked", pid: this.#start(child) };
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      onError(error.message);
      event = { kind: "not_forked", text: error.message };
    } finally {
      standardError?.close();
    }
    this.dispatch(event);
  }

  /**
   * Starts a child. One that cannot execute the target ends with 1, as in the original: then its end says what follows.
   */
  #start(child: Parameters<typeof startPlainChild>[1]): number {
    try {
      return startPlainChild(this.platform, child);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      this.options.onError(error.message);
      return startFailedChild(this.platform);
    }
  }

  /** Prints a line. Waits for a slow reader, as the original does; a closed one is no reason to end. */
  #print(line: Line): void {
    const { libc, clock, runtime, descriptors } = this.platform;
    const wallMs = clock.wallMs();
    const text = formatLine(line, runtime.pid, localTime(libc, wallMs), Math.floor(wallMs % 1000));
    try {
      descriptors.writeAll(new Fd(libc, STDOUT), encodeBytes(`${text}\n`));
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
    }
  }

  #exit(status: number): void {
    this.#isOver = true;
    this.#ended.resolve(status);
  }
}
