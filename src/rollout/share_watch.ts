/**
 * Which part of the new connections a generation on trial has got, counted from the kernel's socket table: looked at
 * while the trial lasts, each connection once. Those that come and go between two looks are not seen, of either side.
 */
import type { RunningContext } from "../generation/context.ts";
import { SocketTable } from "../drain/connections.ts";
import { SystemCallError } from "../platform/error.ts";

const LOOK_MS = 20;
/** A look that takes long is followed by a pause of many times that. */
const PAUSE_PER_COST = 20;
/** Remembered connections; then counting begins anew. */
const MAX_KNOWN = 100_000;

interface TrialSide {
  processes(): readonly number[];
}

export class ShareWatch {
  #timer: ReturnType<typeof setTimeout> | null = null;
  #known = new Set<string>();
  #counts = { candidate: 0, others: 0 };

  constructor(readonly context: RunningContext) {}

  /** Counts begin anew: what was seen at another share says nothing about this one. */
  begin(candidate: TrialSide, others: TrialSide): void {
    this.end();
    this.#known = new Set();
    this.#look(candidate, others);
    this.#counts = { candidate: 0, others: 0 };
  }

  end(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Percent, and of how many connections; null: none was seen. */
  get seen(): { readonly percent: number; readonly connections: number } | null {
    const { candidate, others } = this.#counts;
    const connections = candidate + others;
    if (connections === 0) return null;
    return { percent: Math.round(candidate / connections * 10_000) / 100, connections };
  }

  #look(candidate: TrialSide, others: TrialSide): void {
    const startedAt = performance.now();
    try {
      const { platform, listeners } = this.context;
      const table = new SocketTable(platform, listeners);
      this.#counts.candidate += this.#fresh(table, candidate);
      this.#counts.others += this.#fresh(table, others);
    } catch (error) {
      // A look that fails is no news.
      if (!(error instanceof SystemCallError)) throw error;
    }
    if (this.#known.size > MAX_KNOWN) this.#known.clear();
    const costMs = performance.now() - startedAt;
    const pauseMs = Math.max(LOOK_MS, costMs * PAUSE_PER_COST);
    this.#timer = setTimeout(() => this.#look(candidate, others), pauseMs);
  }

  #fresh(table: SocketTable, side: TrialSide): number {
    const keys = table.connectionsOf(side.processes())
      .map(({ local, remote }) => `${local.port} ${remote.host} ${remote.port}`)
      .filter((key) => !this.#known.has(key));
    for (const key of keys) this.#known.add(key);
    return keys.length;
  }
}
