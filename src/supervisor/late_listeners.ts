/**
 * What the generation that serves has not opened yet, although the one before it had: ports that a server opens long
 * after its start (a model is loaded, caches are warm). Until it listens there the generation before keeps serving there; if that
 * has ended, connections wait. For how long is the lifecycle's affair.
 *
 * Asks after each step, and now and then while something is waited for: a server may close what it had opened.
 */
import type { RunningContext } from "../generation/context.ts";
import { type ServiceState, servingOf } from "../lifecycle/service.ts";
import { ownSocketInode } from "../platform/process/proc.ts";
import { boundSocket } from "../steering/bound_socket.ts";
import type { Group } from "../steering/group.ts";
import { PredecessorGeneration } from "../succession/predecessor_generation.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import type { History } from "../report/history.ts";
import { RunningGeneration } from "../generation/generation.ts";
import type { LateView } from "../report/snapshot.ts";
import { errorText } from "../platform/error.ts";

const LOOK_MS = 250;

interface LateListenersParts {
  readonly context: RunningContext;
  readonly running: ReadonlyMap<number, GenerationHandle>;
  readonly history: History;
}

export class LateListeners {
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(readonly parts: LateListenersParts, readonly service: () => ServiceState) {}

  /** `epoch` serves after `before`. */
  onSwitch(epoch: number, before: number | null): void {
    const { context: { listeners, logError }, running } = this.parts;
    listeners.succeed(epoch, before);
    // Another baton stops that one as soon as it has drained: what comes from now on waits here.
    if (!(running.get(before ?? NaN) instanceof PredecessorGeneration)) return;
    for (const group of listeners.awaited(epoch)) {
      try {
        this.#provide(group, epoch);
      } catch (error) {
        const why = errorText(error);
        logError(`requests at ${group.text} may be cut: no socket for those that wait: ${why}`);
      }
    }
  }

  #provide(group: Group, epoch: number): void {
    const { backlog } = this.parts.context.config;
    const socket = boundSocket(group);
    try {
      const inode = ownSocketInode(socket.number);
      const member = group.takeMember(socket, { epoch, inode, owner: 0, backlog, late: true });
      Object.assign(member, { standsIn: true, unheld: true });
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  /** Tells the lifecycle what it does not know yet. */
  update(): void {
    const { context: { listeners, dispatch }, history } = this.parts;
    const state = this.service();
    const serving = servingOf(state);
    if (serving === null) return this.close();
    const { epoch } = serving;
    const members = listeners.standingIn(epoch);
    const known = state.generations.filter(({ standsIn }) => standsIn).map((each) => each.epoch);
    if (members.length === 0) {
      this.close();
      if (state.behind === null && known.length === 0) return;
      history.late(epoch, [], "opened");
      return dispatch({ kind: "caught_up", epoch });
    }
    history.late(epoch, lateViews(listeners.awaited(epoch)), "opened");
    this.#timer ??= setTimeout(() => this.#look(), LOOK_MS);
    const standIns = state.generations.map((each) => each.epoch).filter((each) =>
      each !== epoch && this.#drains(state, each) && members.some((m) => m.epoch === each)
    );
    if (state.behind === epoch && standIns.join() === known.join()) return;
    dispatch({ kind: "behind", epoch, standIns });
  }

  /** Its time is over, or the service ends. */
  giveUp(epoch: number, inTime: boolean): void {
    const { context, history } = this.parts;
    const { listeners, logError, config } = context;
    const views = lateViews(listeners.awaited(epoch));
    listeners.giveUp(epoch);
    if (!inTime) return;
    history.late(epoch, [], "given up");
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
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #drains({ generations }: ServiceState, epoch: number): boolean {
    return generations.some((each) => each.epoch === epoch && each.state === "draining");
  }

  /** What a server has closed by itself is not waited for. */
  #look(): void {
    this.#timer = null;
    const { context: { listeners }, running } = this.parts;
    try {
      for (const generation of running.values()) {
        if (!(generation instanceof RunningGeneration) || generation.hasExited) continue;
        generation.adoptTarget.refreshListeners();
        listeners.standDown(generation.epoch, generation.processes());
      }
    } finally {
      this.#timer ??= setTimeout(() => this.#look(), LOOK_MS);
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
