/** How generations of this service are drained and stopped: the user's options, and the preset of the program. */
import { type Config, drainTimeAtStop } from "../config/config.ts";
import type { CommandPreset } from "../config/presets.ts";
import { staysInFront } from "../config/servers/command_line.ts";
import { signalNumber } from "../config/values/signals.ts";
import type { DrainStyle } from "../drain/drain.ts";

/**
 * Without --drain-spread: long enough for clients to reconnect one after the other, and short enough to leave every
 * connection most of the drain time.
 */
const SPREAD_PART = 1 / 4;
const MOST_SPREAD_MS = 30_000;

/** The part at the end of a drain of `drainMs` in which long-lived connections are closed. */
export function spreadOf(config: Pick<Config, "drainSpreadMs">, drainMs: number): number {
  return config.drainSpreadMs ?? Math.min(MOST_SPREAD_MS, drainMs * SPREAD_PART);
}

export class StopPolicy {
  /** Whether a shell is in front, as last seen: the name of a process that has exited is gone. */
  #isBehindShell = false;

  /** @param leaderName the name of the leading process; null: it has exited */
  constructor(
    readonly config: Config,
    readonly preset: CommandPreset,
    readonly leaderName: () => string | null,
  ) {}

  /** The stop signal of the server itself, wherever in the tree it is. */
  get stopSignal(): number {
    return signalNumber(this.config.stopSignal ?? this.preset.stopSignal);
  }

  /** The stop signal for the leading process: a shell in front of the server knows nothing of the server's own. */
  get leaderSignal(): number {
    if (this.config.stopSignal === null && this.isBehindShell) return signalNumber("SIGTERM");
    return this.stopSignal;
  }

  /** Whether a shell is in front of the server, which might have become the server by exec and has not. */
  get isBehindShell(): boolean {
    if (this.preset.line.behindShell === null) return false;
    const name = this.leaderName();
    if (name !== null) this.#isBehindShell = staysInFront(this.preset.line, name);
    return this.#isBehindShell;
  }

  /** Exit statuses that are no failure at the stop signal, besides 0. */
  get cleanExit(): readonly number[] {
    return [...this.config.cleanExit, ...this.preset.cleanExit];
  }

  /** @param isLast the service stops */
  drainTimeMs(isLast: boolean): number {
    return isLast ? drainTimeAtStop(this.config) : this.config.drainTimeMs;
  }

  get drainStyle(): DrainStyle {
    if (this.config.drain !== "auto") return this.config.drain;
    return this.finishesRequests ? "settle" : "quiesce";
  }

  /** The program is known to finish its requests after the stop signal. */
  get finishesRequests(): boolean {
    return this.preset.graceful && this.config.stopSignal === null && !this.isBehindShell;
  }

  /**
   * Time from the stop signal to SIGKILL. A server that finishes its requests after the signal also gets the rest of
   * the drain time for them.
   */
  stopTimeMs(drainRestMs: number): number {
    const { stopTimeMs } = this.config;
    return this.drainStyle === "quiesce" ? stopTimeMs : Math.max(0, drainRestMs) + stopTimeMs;
  }
}
