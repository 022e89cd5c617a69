/**
 * Listeners that the serving generation has not opened yet, although the one before it had: ports that a server opens
 * long after its start (a model is loaded, caches are warm). Until it listens there the generation before keeps serving
 * there; if that has exited, connections wait. Checks after each step, and at intervals while something is missing: a
 * server may also close what it had opened.
 */
import type { RunningContext } from "../generation/context.ts";
import { RunningGeneration } from "../generation/generation.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import { type ServiceState, servingOf } from "../lifecycle/state.ts";
import type { Timer } from "../platform/clock.ts";
import { errorText } from "../platform/error.ts";
import type { History } from "../report/history.ts";
import type { LateView } from "../report/snapshot.ts";
import { boundSocket } from "../steering/bound_socket.ts";
import type { Group } from "../steering/group.ts";

const CHECK_MS = 250;

interface LateListenersParts {
  readonly context: RunningContext;
  readonly running: ReadonlyMap<number, GenerationHandle>;
  readonly history: History;
  readonly service: () => ServiceState;
}

export class LateListeners {
  #timer: Timer | null = null;

  constructor(readonly parts: LateListenersParts) {}

  onSwitch(epoch: number, before: number | null): void {
    const { context: { listeners, logError, config }, running } = this.parts;
    listeners.succeed(epoch, before);
    const old = before === null ? undefined : running.get(before);
    if (old === undefined || old instanceof RunningGeneration) return;
    // The predecessor stops its generation as soon as that has drained: new connections wait here instead.
    for (const group of listeners.awaited(epoch)) {
      try {
        const options = { epoch, owner: 0, backlog: config.backlog, late: true };
        const member = group.takeMember(boundSocket(group, epoch), options);
        Object.assign(member, { standsIn: true, unheld: true });
      } catch (error) {
        const why = errorText(error);
        logError(`requests at ${group.text} may be cut: no socket for those that wait: ${why}`);
      }
    }
  }

  /** Dispatches what the lifecycle does not know yet. */
  update(): void {
    const { context: { listeners, dispatch }, history, service } = this.parts;
    const state = service();
    const serving = servingOf(state);
    if (serving === null) return this.close();
    const { epoch } = serving;
    const members = listeners.standingIn(epoch);
    const known = state.generations.filter(({ standsIn }) => standsIn).map((each) => each.epoch);
    if (members.length === 0) {
      this.close();
      if (state.behind === null && known.length === 0) return;
      history.updateLate(epoch, [], "opened");
      return dispatch({ kind: "caught_up", epoch });
    }
    history.updateLate(epoch, lateViews(listeners.awaited(epoch)), "opened");
    this.#scheduleCheck();
    const draining = state.generations.filter((each) => each.state === "draining");
    const standIns = draining.map((each) => each.epoch)
      .filter((each) => members.some((member) => member.epoch === each));
    if (state.behind === epoch && standIns.join() === known.join()) return;
    dispatch({ kind: "behind", epoch, standIns });
  }

  /** @param inTime false: the service ends before the time of `epoch` is over */
  giveUp(epoch: number, inTime: boolean): void {
    const { context, history } = this.parts;
    const { listeners, logError, config } = context;
    const views = lateViews(listeners.awaited(epoch));
    listeners.giveUp(epoch);
    if (!inTime) return;
    history.updateLate(epoch, [], "given up");
    for (const { address, servedBy } of views) {
      const then = servedBy === null
        ? "new connections there are refused from now on"
        : `generation ${servedBy} is stopped, and then new connections there are refused`;
      logError(
        `generation ${epoch} does not listen at ${address}, where the one before it did, ` +
          `${config.readyTimeoutMs / 1000} s after the switch (--ready-timeout): ${then}`,
      );
    }
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #scheduleCheck(): void {
    this.#timer ??= this.parts.context.platform.clock.after(CHECK_MS, () => this.#check());
  }

  /** Listeners that a server has closed by itself are not waited for. */
  #check(): void {
    this.#timer = null;
    const { context: { listeners }, running } = this.parts;
    try {
      for (const generation of running.values()) {
        if (!(generation instanceof RunningGeneration) || generation.hasExited) continue;
        generation.refreshListeners();
        listeners.standDown(generation.epoch, generation.processes());
      }
    } finally {
      this.#scheduleCheck();
      this.update();
    }
  }
}

export function lateViews(groups: readonly Group[]): LateView[] {
  return groups.map(({ text, members }) => {
    const standIn = members.find(({ standsIn, unheld, dead }) => standsIn && !unheld && !dead);
    return { address: text, servedBy: standIn?.epoch ?? null, state: "waiting" };
  });
}
