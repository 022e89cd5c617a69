/**
 * Clients that wait while a server is stopped before its successor starts: looks at the queues from the hold to the
 * switch, for the report of the reload.
 */
import { SocketTable } from "../drain/connections.ts";
import type { RunningContext } from "../generation/context.ts";
import type { Timer } from "../platform/clock.ts";
import { orNull } from "../platform/error.ts";
import type { HeldView } from "../report/snapshot.ts";
import { WaitRecord } from "../report/waits.ts";
import { queues } from "../steering/held_queues.ts";
import type { Member } from "../steering/member.ts";

const LOOK_MS = 20;
/** A look that takes long is followed by a pause of as many times that. */
const PAUSE_PER_COST = 4;

export class HeldClients {
  #timer: Timer | null = null;
  #record: WaitRecord | null = null;
  /** How long each client has waited, in the last reload. */
  waitsMs: readonly number[] = [];
  #sinceMs = 0;
  #queues: readonly Member[] = [];

  constructor(readonly context: Pick<RunningContext, "platform" | "listeners">) {}

  /** New connections are made to wait now. */
  begin(): void {
    const { clock } = this.context.platform;
    this.end();
    this.#sinceMs = clock.now();
    this.#queues = [];
    this.#record = new WaitRecord(this.#unaccepted());
    this.#schedule(0);
  }

  /** The new generation serves, or none will. @returns null when none was held */
  end(): HeldView | null {
    const { platform: { clock } } = this.context;
    this.#timer?.cancel();
    this.#timer = null;
    this.waitsMs = [];
    if (this.#record === null) return null;
    this.#look(this.#record);
    const { clients, longestMs } = this.#record.waits;
    const durationMs = Math.round(clock.now() - this.#sinceMs);
    this.waitsMs = this.#record.durationsMs(clock.now());
    this.#record = null;
    return { durationMs, clients, longestWaitMs: longestMs, overflows: this.#overflows };
  }

  /** How often a queue was full, and a client had to ask again. */
  get #overflows(): number {
    const { sockDiag } = this.context.platform;
    const counts = this.#queues.map(({ heldUntilRetired: queue }) =>
      queue.isOpen ? orNull(() => sockDiag.dropsOf(queue)) : null
    );
    return counts.reduce<number>((sum, count) => sum + (count ?? 0), 0);
  }

  #look(record: WaitRecord): void {
    if (this.#queues.length === 0) this.#queues = queues(this.context.listeners);
    record.look(this.#unaccepted(), this.context.platform.clock.now());
  }

  /** A look that fails for lack of descriptors shows nothing. */
  #unaccepted(): Set<string> {
    const { platform, listeners } = this.context;
    return orNull(() => new SocketTable(platform, listeners).unaccepted()) ?? new Set();
  }

  #schedule(costMs: number): void {
    const { clock } = this.context.platform;
    this.#timer = clock.after(Math.max(LOOK_MS, costMs * PAUSE_PER_COST), () => {
      const atMs = clock.now();
      if (this.#record !== null) this.#look(this.#record);
      this.#schedule(clock.now() - atMs);
    });
  }
}
