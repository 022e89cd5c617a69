/**
 * What a server's leading process leaves behind when it has ended (helpers, watchers, workers): each process gets the
 * stop signal once. Helpers get it at once. A process that still answers a request may finish first: its leader may have
 * told it to, and for many servers the second signal means "without waiting".
 */
import { busyAmong, type PortsOfGroups, SocketTable } from "../drain/connections.ts";
import type { Config } from "../config/config.ts";
import type { Platform } from "../platform/platform.ts";
import type { StopPolicy } from "./stop_policy.ts";

/** Between two looks at those who still answer. */
const LOOK_MS = 50;
/** Of the stop time, how much they may take before their signal: some is left for its handler. */
const PATIENCE = 1 / 2;

interface LeftProcessesOwner {
  readonly platform: Platform;
  readonly config: Config;
  readonly policy: StopPolicy;
  /** Ports at which clients are connected. */
  ports(): PortsOfGroups;
  processes(): number[];
  /** Some still answer, and get the signal because their time is over. */
  onOverdue?(): void;
  /** All have got it. */
  onTold(): void;
}

export class LeftoverSignals {
  readonly #told = new Set<number>();
  #patientUntilMs = 0;
  #wasPatient = false;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(readonly owner: LeftProcessesOwner) {}

  /**
   * Signals all that are left, now or as soon as they owe no answer.
   * @param gently those who still answer a request are waited for
   * @returns how many are waited for
   */
  tell(gently: boolean): number {
    const { stopTimeMs } = this.owner.config;
    this.#patientUntilMs = performance.now() + (gently ? stopTimeMs * PATIENCE : 0);
    return this.#tellOnce();
  }

  #tellOnce(): number {
    const { platform, policy } = this.owner;
    const untold = this.owner.processes().filter((pid) => !this.#told.has(pid));
    const isPatient = performance.now() < this.#patientUntilMs;
    const busy = isPatient ? this.#busyAmong(untold) : new Set<number>();
    // Those that are left after a first round were busy.
    if (this.#wasPatient && !isPatient && untold.length > 0) this.owner.onOverdue?.();
    this.#wasPatient = isPatient;
    for (const pid of untold) {
      if (busy.has(pid)) continue;
      this.#told.add(pid);
      platform.processes.signal(pid, policy.stopSignal);
    }
    if (busy.size > 0) this.#timer = setTimeout(() => this.#tellOnce(), LOOK_MS);
    else this.owner.onTold();
    return busy.size;
  }

  /** A look that fails (no descriptor left) is no reason to keep the signal back. */
  #busyAmong(pids: readonly number[]): Set<number> {
    const { platform, config } = this.owner;
    try {
      return busyAmong(pids, new SocketTable(platform, this.owner.ports()), config.quietMs);
    } catch {
      return new Set();
    }
  }

  cancel(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
