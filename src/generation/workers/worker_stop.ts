/**
 * How one worker ends while others of its generation serve on: new connections go to those, it empties its queue and
 * finishes what it owes, gets the stop signal, and at last KILL.
 */
import { busyAmong, SocketTable, takeCensus, Tracks } from "../../drain/connections.ts";
import type { Timer } from "../../platform/clock.ts";
import { orNull } from "../../platform/error.ts";
import { unreadDatagrams } from "../../platform/network/udp_table.ts";
import { isDatagram } from "../../steering/group_address.ts";
import { setWorkerAside } from "../../steering/worker_steering.ts";
import type { GenerationFacts } from "../../succession/state/resume_state.ts";
import type { StopPolicy } from "../stop_policy.ts";
import type { GenerationHealth } from "../generation_health.ts";
import type { WorkerParts } from "./worker_parts.ts";

const LOOK_MS = 100;

interface WorkerStopOptions {
  readonly worker: WorkerParts;
  readonly health: Pick<GenerationHealth, "stop">;
  readonly policy: StopPolicy;
  /** Of its generation. */
  readonly facts: Pick<GenerationFacts, "cut">;
}

export class WorkerStop {
  phase: "draining" | "stopping" = "draining";
  readonly #tracks = new Tracks();
  #timer: Timer | null = null;
  #killAtMs = Infinity;
  #halfOpen: ReadonlySet<string> | null = null;
  readonly #drainUntilMs: number;

  constructor(readonly options: WorkerStopOptions) {
    const { platform: { clock }, config } = options.worker.context;
    this.#drainUntilMs = clock.now() + config.drainTimeMs;
  }

  begin(): void {
    const { worker, health } = this.options;
    health.stop();
    setWorkerAside(worker.context.listeners, worker, false);
    this.#look();
  }

  #look(): void {
    const { worker, policy } = this.options;
    const { clock } = worker.context.platform;
    const isEmpty = orNull(() => this.#isEmpty()) ?? false;
    if (!isEmpty && clock.now() < this.#drainUntilMs) {
      this.#timer = clock.after(LOOK_MS, () => this.#look());
      return;
    }
    this.phase = "stopping";
    worker.facts.stopSent = true;
    if (!policy.finishesRequests) this.#countCut();
    this.limit(policy.stopTimeMs(this.#drainUntilMs - clock.now()));
    worker.server.signal(policy.leaderSignal);
  }

  /** KILL comes after this time at the latest. */
  limit(delayMs: number): void {
    const { platform: { clock } } = this.options.worker.context;
    const atMs = clock.now() + delayMs;
    if (this.phase === "draining" || atMs >= this.#killAtMs) return;
    this.#killAtMs = atMs;
    this.#timer?.cancel();
    this.#timer = clock.after(delayMs, () => this.#kill());
  }

  #kill(): void {
    const { worker, policy } = this.options;
    if (policy.finishesRequests) this.#countCut();
    worker.context.logError(`${worker.name()}: killed after its stop time`);
    worker.server.kill();
  }

  #countCut(): void {
    const { worker, facts } = this.options;
    const { platform, listeners, config } = worker.context;
    orNull(() => {
      const table = new SocketTable(platform, listeners);
      const pids = worker.server.processes();
      facts.cut += takeCensus(table.openBy(pids), config.quietMs, this.#tracks).counts.busy;
    });
  }

  /** Nothing waits in its queues, none is on its way there, and it owes no answer. */
  #isEmpty(): boolean {
    const { worker, policy } = this.options;
    const { platform, listeners, config } = worker.context;
    const table = new SocketTable(platform, listeners);
    this.#tracks.note(table.sockets, platform.clock.now());
    const halfOpen = table.halfOpen();
    this.#halfOpen = this.#halfOpen === null ? halfOpen : this.#halfOpen.intersection(halfOpen);
    if (this.#halfOpen.size > 0) return false;
    const { epoch, number } = worker;
    const waiting = listeners.groups.flatMap((group) =>
      group.membersOf(epoch, number).filter((member) => !group.isReceiving(member)).map((member) =>
        isDatagram(group) ? unreadDatagrams(member.inode) : table.backlogOf(member.inode)
      )
    );
    if (waiting.some((count) => count > 0)) return false;
    if (policy.drainStyle === "signal") return true;
    const pids = worker.server.processes();
    if (busyAmong(pids, table, config.quietMs).size > 0) return false;
    return takeCensus(table.openBy(pids), config.quietMs, this.#tracks).blocking.size === 0;
  }

  close(): void {
    this.#timer?.cancel();
  }
}
