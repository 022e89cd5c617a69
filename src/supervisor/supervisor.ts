/**
 * The supervisor: one queue of events, one loop, one owner of state.
 *
 * Events come in by `dispatch`; `lifecycle/service.ts` says what follows; `effects.ts` does it.
 * Nothing here decides. After the point of no return (`switch`) baton never ends because of an error of its
 * own: a failed effect is logged and the service goes on.
 */
import type { Resumption } from "../succession/state/resumption.ts";
import type { RunningContext } from "../generation/context.ts";
import type { Rollout } from "../lifecycle/rollout.ts";
import type { ServiceEvent } from "../lifecycle/vocabulary.ts";
import {
  inheritedState,
  INITIAL_STATE,
  type ServiceState,
  servingOf,
  step,
} from "../lifecycle/service.ts";
import { bakingOf } from "../lifecycle/state.ts";
import { Journal } from "../succession/state/journal.ts";
import { type PlacedSocket, placedSockets } from "./placed_sockets.ts";
import { catchUp, packService } from "../succession/resume.ts";
import type { SupervisorOptions } from "./options.ts";
import { Leftovers } from "../generation/leftovers.ts";
import { Effects } from "./effects.ts";
import { ancestorsOf, whyInPlace } from "../succession/process_manager.ts";
import { rolloutOf, servicePolicy } from "./policy.ts";
import type {
  Decision,
  ReloadReport,
  Snapshot,
  TrialReport,
  UpgradeReport,
} from "../report/snapshot.ts";
import { takeSnapshot } from "./take_snapshot.ts";
import { errorText } from "../platform/error.ts";

export class Supervisor {
  #state: ServiceState = INITIAL_STATE;
  readonly #events: ServiceEvent[] = [];
  #stepping = false;
  #stopsAsked = 0;
  readonly #context: RunningContext;
  readonly #effects: Effects;

  constructor(readonly options: SupervisorOptions) {
    const { logger, predecessor, resumption } = options;
    this.#context = {
      ...options.context,
      journal: new Journal({
        stateWriter: options.stateWriter,
        pack: () => packService(this.#effects, this.#state),
        logger,
      }),
      leftovers: new Leftovers(options.context.platform.clock),
      dispatch: (event) => this.dispatch(event),
      log: (message) => logger.info(message),
      logError: (message) => logger.error(message),
    };
    options.context.listeners.beforeChange = () => this.#context.journal.write();
    this.#effects = new Effects(options, this.#context, () => this.#state);
    if (resumption !== null) this.#state = this.#effects.resume(resumption);
    if (predecessor === null) return;
    const { nextEpoch } = predecessor.state;
    this.#state = inheritedState(this.#effects.inherit(predecessor), nextEpoch);
  }

  /** Adds an event and, unless one is being worked on, works until none is left. */
  dispatch(event: ServiceEvent): void {
    this.#events.push(event);
    if (this.#stepping) return;
    this.#stepping = true;
    const { history } = this.#effects;
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
        history.beforeStep(next, this.#state);
        const { state, effects } = step(this.#state, next, servicePolicy(this.#context.config));
        this.#state = state;
        this.#context.journal.write();
        history.afterStep(state);
        this.options.logger.debug(`event ${JSON.stringify(next)}`);
        for (const effect of effects) {
          this.#safely(`carry out "${effect.kind}"`, () => this.#effects.perform(effect, state));
        }
        if (next.kind === "exited") this.#effects.remember(next.epoch, state);
        this.#safely("look for listeners", () => this.#effects.lateListeners.update());
        this.#safely("tell the service manager", () => this.options.manager.onStep(state, effects));
        // What was counted meanwhile, before anybody can ask for it: counters never go back.
        this.#context.journal.write();
      }
    } finally {
      this.#stepping = false;
    }
  }

  /**
   * Starts a new generation; resolves with its verdict.
   * @param how what differs from the configuration in letting it in
   */
  reload(how: Partial<Rollout> = {}): Promise<ReloadReport> {
    const { request, answer } = this.#effects.reloads.open();
    const rollout = { ...rolloutOf(this.#context.config), ...how };
    this.dispatch({ kind: "reload_requested", request, rollout });
    return answer;
  }

  /** About the generation on trial: lets it in, sends it away, or gives it another share. */
  decideTrial(decision: Decision): Promise<TrialReport> {
    const { request, answer } = this.#effects.trials.requests.open();
    if (typeof decision === "string") this.dispatch({ kind: `${decision}_requested`, request });
    else this.dispatch({ kind: "share_requested", request, percent: decision.percent });
    return answer;
  }

  /**
   * Starts a new baton that takes over from this one; resolves when it serves, or has failed. In place
   * this process becomes the new baton: then it resolves only when that has failed.
   * @param program null: the program of this baton, as it is on disk now
   */
  upgrade(program: string | null = null, inPlace = false): Promise<UpgradeReport> {
    const { request, answer } = this.#effects.upgrader.request(program);
    const { runtime } = this.#context.platform;
    const why = whyInPlace({ pid: runtime.pid, env: runtime.env() }, ancestorsOf("self"));
    if (why !== null && !inPlace) this.options.logger.info(`upgrade: in place, because ${why}`);
    this.dispatch({ kind: "upgrade_requested", request, inPlace: inPlace || why !== null });
    return answer;
  }

  /**
   * First time: drain and stop. Second: stop without waiting. Third: kill.
   * @param spentMs of the drain time, what another wait has taken already
   */
  stop(spentMs = 0): void {
    const { leftovers: remnants } = this.#context;
    const asked = ++this.#stopsAsked;
    if (asked === 1) remnants.killed.length = 0;
    // All that is left then are hooks, and what servers have left behind.
    if (this.#state.finished) this.#effects.hooks.killRunning(true);
    this.dispatch({ kind: "stop_requested", spentMs });
    if (asked > (this.#state.finished ? 1 : 2)) remnants.killAll();
  }

  /** Nobody is asked any more whether it lives. */
  endLiveness(): void {
    for (const running of this.#effects.running.values()) running.stopLiveChecks();
  }

  /** Passes a signal on to the serving generation. */
  forward(signal: number): void {
    const serving = servingOf(this.#state);
    if (serving) this.#effects.running.get(serving.epoch)?.forwardSignal(signal);
  }

  get servingEpoch(): number | null {
    return servingOf(this.#state)?.epoch ?? null;
  }

  /** Another baton serves, and this one only drains. */
  get hasHandedOver(): boolean {
    return (this.#state.shutdown?.handedOver ?? null) !== null;
  }

  /** Sockets at fixed paths that are in use. */
  placedSockets(): PlacedSocket[] {
    return placedSockets(this.#effects.running.values(), this.#effects.offers?.socket ?? null);
  }

  snapshot(): Snapshot {
    return takeSnapshot({
      context: this.#context,
      version: this.options.version,
      state: this.#state,
      running: this.#effects.running,
      history: this.#effects.history,
      trial: this.#effects.trials.view(this.#state),
    });
  }

  #safely(what: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      const message = errorText(error);
      this.options.logger.error(`cannot ${what}: ${message}`);
    }
  }

  #goOn(resumption: Resumption): void {
    this.options.manager.onStep(this.#state, []);
    this.#context.journal.write();
    catchUp(this.#effects, this.#state, resumption);
    const baking = bakingOf(this.#state);
    const reason = "baton was killed during its trial";
    if (baking !== null) this.dispatch({ kind: "unhealthy", epoch: baking.epoch, reason });
    this.#context.children.reap();
  }

  /** Everything is written down anew: nobody has it any more (--survive). */
  writeState(): void {
    this.#context.journal.write();
  }

  /**
   * Starts the first generation, or the successor of the one that was inherited, or just goes on.
   * @throws {HandoffSocketError} when another baton could not take over from this one as was asked
   */
  start(): void {
    const { resumption, handoffIsShared } = this.options;
    // What was going on goes on, whatever comes of the socket.
    if (resumption !== null) this.#goOn(resumption);
    if (!handoffIsShared) this.#effects.offers?.socket.open();
    if (resumption !== null) return;
    if (this.options.predecessor === null) return this.dispatch({ kind: "start" });
    this.reload();
  }
}
