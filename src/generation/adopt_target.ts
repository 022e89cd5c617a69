/** One generation as the adopter sees it: who makes the trapped calls, and what follows from them. */
import type { RunningContext } from "./context.ts";
import { refreshSocketHolders } from "../handoff/socket_holders.ts";
import { ticksNow } from "../platform/clock.ts";
import { processStat } from "../platform/process/proc.ts";
import type { Caller, ListenerOwner } from "../handoff/listener_owner.ts";
import type { Fd } from "../platform/fd.ts";
import type { TrappedCall } from "../platform/process/seccomp.ts";
import type { Group } from "../steering/group.ts";
import type { GenerationFacts } from "../succession/state/resume_state.ts";
import type { Gate } from "./gate.ts";
import type { ServerProcess } from "../process/server_process.ts";
import { Workers } from "../process/workers.ts";

/** What the tenancy needs of its generation. */
interface AdoptingGeneration {
  readonly context: RunningContext;
  readonly epoch: number;
  readonly replacementOf: number | null;
  readonly pid: number | null;
  readonly facts: GenerationFacts;
  /** What may have been the reason if it fails. */
  readonly hints: string[];
  readonly gate: Gate;
  readonly server: ServerProcess | null;
  processes(): number[];
  checkGate(): void;
  answer(notify: Fd, notification: TrappedCall): void;
  fail(reason: string): void;
}

export class AdoptTarget implements ListenerOwner {
  readonly #workers: Workers;

  constructor(readonly generation: AdoptingGeneration) {
    this.#workers = new Workers(generation.context.platform, () => this.refreshListeners());
  }

  get epoch(): number {
    return this.generation.epoch;
  }

  get replacementOf(): number | null {
    return this.generation.replacementOf;
  }

  get isSettled(): boolean {
    return this.generation.facts.isSettled;
  }

  processes(): number[] {
    return this.generation.processes();
  }

  /** It has served for a while. */
  settle(): void {
    const { facts } = this.generation;
    facts.isSettled = true;
    facts.settledTicks ||= ticksNow();
  }

  /** It has come after the start, and a process that listens is above it: as a rule, one for each client. */
  isOfSession(pid: number): boolean {
    const { context: { listeners }, facts } = this.generation;
    const members = listeners.groupsOf(this.epoch).flatMap((group) => group.membersOf(this.epoch));
    if (members.some(({ owner, ofSession = false }) => owner === pid && !ofSession)) return false;
    const stat = processStat(pid);
    if (stat === null || stat.startTime < facts.settledTicks) return false;
    const processes = this.processes();
    for (let above = stat.parent; processes.includes(above);) {
      if (listeners.isHeldBy(above, this.epoch)) return true;
      above = processStat(above)?.parent ?? 0;
    }
    return false;
  }

  /** Finds out which of its listeners the server has closed, or left behind with a dead worker. */
  refreshListeners(): void {
    const { listeners } = this.generation.context;
    for (const group of listeners.groupsOf(this.epoch)) refreshSocketHolders(group, this);
  }

  /** After a change of batons: workers that have listened are watched as before. */
  watchWorkers(): void {
    const alive = this.processes();
    for (const pid of this.generation.context.listeners.ownersOf(this.epoch)) {
      if (pid !== this.generation.pid && alive.includes(pid)) this.#workers.watch(pid);
    }
  }

  onListening(group: Group, caller: Caller): void {
    const { context, gate, facts, server: server } = this.generation;
    context.log(`generation ${this.epoch} listens at ${group.text}`);
    if (caller.pid !== this.generation.pid) this.#workers.watch(caller.pid);
    context.dispatch({ kind: "listening", epoch: this.epoch });
    // While the caller waits its descriptors can be replaced: the last chance is the listen that
    // completes the gate.
    if (gate.isListening && server?.output.onBytes === null) {
      const { orphan, survive } = context.config;
      const isPressing = orphan === "keep" && !survive;
      if (server.output.handOver(caller, isPressing)) facts.handedOver = true;
    }
    this.generation.checkGate();
  }

  onReleased(notify: Fd, notification: TrappedCall): void {
    this.generation.answer(notify, notification);
  }

  onConflict(reason: string): void {
    const { context: { listeners, logError }, gate } = this.generation;
    // Whoever has passed its gate does not fail any more.
    const passed = gate.isPassed || listeners.servingEpoch === this.epoch;
    if (passed) logError(`generation ${this.epoch}: ${reason}`);
    this.generation.fail(reason);
  }

  onHint(text: string): void {
    const { hints } = this.generation;
    if (!hints.includes(text)) hints.push(text);
  }

  close(): void {
    this.#workers.close();
  }
}
