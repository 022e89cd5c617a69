/**
 * The share of new connections that a generation on trial really got, sampled from the kernel's socket table; each
 * connection counts once. Connections that come and go between two samples are missed, on both sides alike.
 */
import { SocketTable } from "../drain/connections.ts";
import type { RunningContext } from "../generation/context.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import type { Timer } from "../platform/clock.ts";
import { orNull } from "../platform/error.ts";

const SAMPLE_MS = 20;
/** A sample that takes long is followed by a pause of many times that. */
const PAUSE_PER_COST = 20;
/** Connections remembered; beyond that they are forgotten, and may count twice. */
const MAX_KNOWN = 100_000;

type TrialSide = Pick<GenerationHandle, "epoch" | "processes">;

export class ShareWatch {
  #timer: Timer | null = null;
  #known = new Set<string>();
  #counts = { candidate: 0, others: 0 };

  constructor(readonly context: RunningContext) {}

  /** Starts counting at zero: connections at another share say nothing about this one. */
  begin(candidate: TrialSide, others: TrialSide): void {
    this.end();
    this.#known = new Set();
    this.#sample(candidate, others);
    this.#counts = { candidate: 0, others: 0 };
  }

  end(): void {
    this.#timer?.cancel();
  }

  /** The share that it really gets, in percent, and of how many connections; null: of none. */
  get seen(): { readonly percent: number; readonly connections: number } | null {
    const { candidate, others } = this.#counts;
    const connections = candidate + others;
    if (connections === 0) return null;
    return { percent: Math.round(candidate / connections * 10_000) / 100, connections };
  }

  #sample(candidate: TrialSide, others: TrialSide): void {
    const { platform, platform: { clock }, listeners } = this.context;
    const startedAtMs = clock.now();
    // Where the look fails, the next one may succeed.
    const table = orNull(() => new SocketTable(platform, listeners));
    if (table !== null) {
      this.#counts.candidate += this.#countNew(table, candidate);
      this.#counts.others += this.#countNew(table, others);
    }
    if (this.#known.size > MAX_KNOWN) this.#known.clear();
    const pauseMs = Math.max(SAMPLE_MS, (clock.now() - startedAtMs) * PAUSE_PER_COST);
    this.#timer = clock.after(pauseMs, () => this.#sample(candidate, others));
  }

  #countNew(table: SocketTable, side: TrialSide): number {
    const keys = table.connectionsOf(side)
      .map(({ local, remote }) => `${local.port} ${remote.host} ${remote.port}`)
      .filter((key) => !this.#known.has(key));
    for (const key of keys) this.#known.add(key);
    return keys.length;
  }
}
