/**
 * What is remembered about generations and reloads beyond the lifecycle's own state: counters, the
 * last reload, and the generations that have ended lately, with the reason.
 */
import type { ServiceEvent } from "../lifecycle/vocabulary.ts";
import type { Generation } from "../lifecycle/generation.ts";
import type { ServiceState } from "../lifecycle/service.ts";
import { NO_CONNECTIONS } from "../drain/connections.ts";
import type { KeptConnections } from "../migrate/kept.ts";
import type { HistoryRecord } from "../upgrade/resume_state.ts";
import type { GenerationView, LastReload } from "./snapshot.ts";

/** Generations remembered after their end. */
const REMEMBERED = 8;

interface GenerationRecord {
  startedAt: Date;
  pid: number | null;
}

export class History {
  ok = 0;
  failed = 0;
  crashes = 0;
  lastReload: LastReload | null = null;
  /** Newest last. */
  readonly recentlyEnded: GenerationView[] = [];
  readonly #records = new Map<number, GenerationRecord>();
  readonly #lastKnown = new Map<number, Generation>();
  /** Generation that the last reload replaced. */
  #replaced: number | null = null;

  /** How many batons have run this service before this one, without a stop. */
  incarnation = 0;
  /** When the first of them started. */
  startedAt = new Date();

  /** For the next baton. */
  record(): HistoryRecord {
    const { ok, failed, crashes, lastReload, recentlyEnded } = this;
    return { ok, failed, crashes, lastReload, recentlyEnded, replaced: this.#replaced };
  }

  /** Goes on with what the baton before has remembered. */
  resume(record: HistoryRecord, facts: { incarnation: number; startedAt: string }): void {
    this.continue(record);
    this.lastReload = record.lastReload;
    this.recentlyEnded.push(...record.recentlyEnded);
    this.#replaced = record.replaced;
    this.incarnation = facts.incarnation;
    this.startedAt = new Date(facts.startedAt);
  }

  /** Goes on counting where another baton stopped. */
  continue(counters: { ok: number; failed: number; crashes: number }): void {
    this.ok = counters.ok;
    this.failed = counters.failed;
    this.crashes = counters.crashes;
  }

  started(epoch: number, startedAt: Date): void {
    this.#records.set(epoch, { startedAt, pid: null });
  }

  setPid(epoch: number, pid: number | null): void {
    const record = this.#records.get(epoch);
    if (record) record.pid = pid;
  }

  before(event: ServiceEvent, state: ServiceState): void {
    if (event.kind === "ready") {
      const serving = state.generations.find((g) => g.state === "serving")?.epoch ?? null;
      // A server with several listeners or workers is ready more than once.
      if (serving !== event.epoch) this.#replaced = serving;
    }
    if (event.kind !== "exited") return;
    const generation = state.generations.find(({ epoch }) => epoch === event.epoch);
    if (generation === undefined) return;
    const crashed = generation.state === "serving";
    const failed = generation.state === "starting" || generation.state === "probing";
    this.#lastKnown.set(event.epoch, {
      ...generation,
      state: "exited",
      outcome: generation.outcome ??
        (crashed ? (event.exit.status === 0 ? "finished" : "crashed") : failed ? "failed" : null),
      reason: generation.reason ?? (crashed || failed ? event.exit.text : null),
    });
  }

  after(state: ServiceState): void {
    for (const generation of state.generations) this.#lastKnown.set(generation.epoch, generation);
  }

  reloaded(reload: Omit<LastReload, "connectionsCut" | "connectionsKept">): void {
    this.lastReload = { ...reload, connectionsCut: 0, connectionsKept: null };
  }

  /** It has passed its gate, and had to go all the same. */
  rolledBack(epoch: number, reason: string): void {
    // Whoever asked was told already that it is in.
    if (this.lastReload?.epoch !== epoch || this.lastReload.result !== "ok") return;
    this.failed++;
    const told = `rolled back: ${reason}`;
    this.lastReload = { ...this.lastReload, result: "failed", reason: told };
  }

  /** A generation is gone, its processes and sockets too. */
  ended(epoch: number, running: { cut: number; kept: KeptConnections | null }): void {
    if (this.lastReload !== null && epoch === this.#replaced && this.lastReload.result === "ok") {
      const { cut: connectionsCut, kept: connectionsKept } = running;
      this.lastReload = { ...this.lastReload, connectionsCut, connectionsKept };
    }
    const known = this.#lastKnown.get(epoch);
    if (known !== undefined) this.recentlyEnded.push(...this.#viewOf(known));
    this.#lastKnown.delete(epoch);
    this.#records.delete(epoch);
    if (this.recentlyEnded.length > REMEMBERED) this.recentlyEnded.shift();
  }

  /** Its processes are gone, and its sockets are kept for an heir. */
  get leftovers(): GenerationView[] {
    return [...this.#lastKnown.values()].filter(({ state }) => state === "exited")
      .flatMap((generation) => this.#viewOf(generation));
  }

  /** As it is at its end; nothing for one that was never started. */
  #viewOf({ epoch, outcome, reason }: Generation): GenerationView[] {
    const record = this.#records.get(epoch);
    if (record === undefined) return [];
    const startedAt = record.startedAt.toISOString();
    const { pid } = record;
    const end = { outcome, reason, pid, startedAt } as const;
    const rest = { connections: NO_CONNECTIONS, takesConnections: false, checks: [] } as const;
    return [{ epoch, state: "exited", ...end, ...rest }];
  }
}
