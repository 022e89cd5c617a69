/** A generation on trial: its share of the connections, its ramp, what was seen of it, and the requests about it. */
import type { RunningContext } from "../generation/context.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import { bakingOf, type ServiceState, servingOf } from "../lifecycle/state.ts";
import type { EffectHandlers } from "../lifecycle/vocabulary.ts";
import type { Logger } from "../log/logger.ts";
import { PendingRequests } from "../report/pending_requests.ts";
import type { ShareOf, TrialReport, TrialView } from "../report/snapshot.ts";
import { undividedAddresses } from "../steering/unix/undivided.ts";
import { AnswerWatch } from "./answer_watch.ts";
import { DeafWatch } from "./deaf_watch.ts";
import { PassiveWatch } from "./passive_watch.ts";
import { Ramp } from "./ramp.ts";
import { ShareWatch } from "./share_watch.ts";

export class Trials {
  readonly requests: PendingRequests<TrialReport>;
  readonly #ramp: Ramp;
  /** What watches the share: by connections of clients in the kernel, or by a front's own counts of requests. */
  readonly #shareWatch: ShareWatch | AnswerWatch;
  readonly #passiveWatch: PassiveWatch;
  readonly #deafWatch: DeafWatch;

  constructor(
    readonly context: RunningContext,
    readonly running: ReadonlyMap<number, GenerationHandle>,
    readonly logger: Logger,
  ) {
    const { clock } = context.platform;
    this.requests = new PendingRequests(clock);
    this.#ramp = new Ramp(clock);
    this.#shareWatch = context.front === null ? new ShareWatch(context) : new AnswerWatch(context);
    this.#passiveWatch = new PassiveWatch(context);
    this.#deafWatch = new DeafWatch(context, running);
  }

  readonly handlers = {
    share: ({ epoch, percent }, state) => this.#share(epoch, percent, state),
    begin_ramp: (ramp) =>
      this.#ramp.begin(ramp, (percent) => {
        this.context.dispatch({ kind: "ramped", epoch: ramp.epoch, percent });
      }),
    end_ramp: () => this.#ramp.end(),
    arm_bake: ({ epoch, delayMs }) => this.running.get(epoch)?.timers.arm("bake", delayMs),
    trial_result: ({ request, epoch, result, reason }) =>
      this.requests.answer([request], { epoch, shareOf: this.#shareOf, result, reason }),
  } satisfies Partial<EffectHandlers>;

  get #shareOf(): ShareOf {
    return this.context.front === null ? "connections" : "requests";
  }

  /** Addresses where a candidate cannot get a share of the connections. */
  get undivided(): readonly string[] {
    return undividedAddresses(this.context.listeners);
  }

  /** All new connections go to `epoch` now. */
  onSwitch(epoch: number): void {
    this.#end();
    const running = this.running.get(epoch);
    if (running) this.#passiveWatch.watch(running, false);
  }

  /** Called after each step. */
  update(state: ServiceState): void {
    this.#deafWatch.update(state);
  }

  /** A candidate has failed beside the serving generation. @returns what has become of that one; null: nothing */
  examine(state: ServiceState, wasPassed: boolean): string | null {
    const serving = servingOf(state);
    if (serving === null) return null;
    this.#deafWatch.update(state);
    return this.#deafWatch.examine(serving.epoch, wasPassed);
  }

  stopWatching(epoch: number): void {
    this.#passiveWatch.forget(epoch);
  }

  close(): void {
    this.#end();
    this.#passiveWatch.close();
    this.#deafWatch.close();
  }

  #end(): void {
    this.#ramp.end();
    this.#shareWatch.end();
  }

  view(state: ServiceState): TrialView | null {
    const baking = bakingOf(state);
    if (baking === null || state.trial === null) return null;
    return {
      epoch: baking.epoch,
      ...state.trial,
      shareOf: this.#shareOf,
      seen: this.#shareWatch.seen,
    };
  }

  #share(epoch: number, percent: number, state: ServiceState): void {
    const { context, running, logger } = this;
    const indivisible = context.listeners.share(epoch, percent);
    if (percent === 0 && state.trial === null) {
      this.stopWatching(epoch);
      return this.#end();
    }
    if (indivisible.length > 0) {
      const where = indivisible.join(", ");
      logger.warn(`new connections to ${where} cannot be shared out: all go to one generation`);
    }
    const isRampStep = state.trial?.phase === "ramp" &&
      percent > (state.reload.rollout.canary ?? 0);
    if (isRampStep) return;
    const all = this.#shareOf === "requests" ? "requests" : "new connections";
    logger.info(`generation ${epoch} gets ${percent} % of the ${all}`);
    const candidate = running.get(epoch);
    const serving = running.get(servingOf(state)?.epoch ?? NaN);
    if (candidate && serving) this.#shareWatch.begin(candidate, serving);
    if (candidate) this.#passiveWatch.watch(candidate, true);
  }
}
