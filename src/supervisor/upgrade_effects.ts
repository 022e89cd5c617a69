/** Effects of upgrades and takeovers: this baton's own replacement, and its predecessor. */
import { EXIT_NEW_GENERATION_FAILED } from "../lifecycle/status.ts";
import type { ServiceState } from "../lifecycle/state.ts";
import type { EffectHandlers } from "../lifecycle/vocabulary.ts";
import { adoptOrphans } from "../succession/adopt_orphans.ts";
import { ChildUpgrade } from "../succession/child_upgrade.ts";
import { InPlaceUpgrade } from "../succession/in_place_upgrade.ts";
import { handoverFacts } from "../succession/handover_facts.ts";
import { packPayload } from "../succession/pack_service.ts";
import {
  type PredecessorBaton,
  PredecessorGeneration,
} from "../succession/predecessor_generation.ts";
import type { TakeoverOffers } from "../succession/takeover_offers.ts";
import { serveAgain } from "./generation_effects.ts";
import type { SupervisorParts } from "./parts.ts";
import { upgradeObstacle, workersAsked } from "./policy.ts";

export class Upgrades {
  readonly child: ChildUpgrade;
  readonly #inPlace: InPlaceUpgrade;
  /** Null: no baton may take over from this one. */
  readonly offers: TakeoverOffers | null;

  constructor(readonly parts: SupervisorParts) {
    const { options, context, hooks } = parts;
    const { config, leftovers } = context;
    const { logger, upgrade, TakeoverOffers } = options;
    this.child = new ChildUpgrade({
      ...context,
      get config() {
        return context.config;
      },
      ...upgrade,
      logger,
      passedOn: options.passedOn,
      notifyPaths: (epoch) => {
        const { wanted } = workersAsked(context.config, options.order.order, parts.service());
        return Array.from({ length: wanted }, (_, i) => options.notifyPath(epoch, i));
      },
      onHandedOver: (pid) => {
        options.stateWriter()?.handedOver();
        options.manager.handOver(pid);
      },
    });
    this.#inPlace = new InPlaceUpgrade({
      ...context,
      ...upgrade,
      logger,
      controlAccess: options.controlDoor,
      readFiles: options.liveConfig.readFiles,
      onStay: () => options.receivers.resume(),
      // An exec waits for these: the next program would not know what they are for.
      whenIdle: async () => {
        await context.migration?.inFlight.whenEmpty();
        await context.migration?.waitingClients.whenEmpty();
        await new Promise<void>((resolve) => hooks.whenIdle(resolve));
        await new Promise<void>((resolve) => leftovers.whenEmpty(resolve));
        await options.receivers.rest();
      },
    });
    const { handoffSocket: path } = config;
    this.offers = path === null || TakeoverOffers === null ? null : new TakeoverOffers({
      ...context,
      logger,
      lock: upgrade.lock,
      passedOn: options.passedOn,
      path,
    });
  }

  readonly handlers = {
    request_takeover: ({ epoch }) => this.#requestTakeover(epoch),
    begin_upgrade: ({ inPlace }, state) => this.#begin(inPlace, state),
    abort_upgrade: () => {
      this.#inPlace.abort();
      this.offers?.abort();
      this.child.abort();
    },
    upgrade_result: (effect) => {
      const { offers } = this;
      const takeover = offers?.takeoverFor(effect.requests);
      if (offers && takeover) offers.reportResult(takeover, effect);
      else this.child.reportResult(effect);
    },
    take_back: ({ epoch }) => {
      this.offers?.takeBack(epoch);
      serveAgain(this.parts, epoch);
      this.parts.options.onTakenBack();
    },
  } satisfies Partial<EffectHandlers>;

  #requestTakeover(epoch: number): void {
    const { options: { predecessor, predecessorRecovery }, context } = this.parts;
    const grant = () => context.dispatch({ kind: "takeover_granted", epoch });
    if (predecessor === null) return grant();
    // After the switch the old fd holder serves only clients already queued, so queue now.
    predecessorRecovery?.queueUp();
    predecessor.beforeServing(epoch, grant);
  }

  #begin(inPlace: boolean, state: ServiceState): void {
    const { parts, offers } = this;
    const facts = handoverFacts(parts, state);
    const takeover = offers?.takeoverFor(state.upgrade ?? []);
    if (offers && takeover) return offers.begin(takeover, facts);
    const reason = upgradeObstacle(parts.context.listeners);
    if (reason !== null) return parts.context.dispatch({ kind: "upgrade_failed", reason });
    if (!inPlace) return this.child.begin(facts);
    // The preflight takes its time, in which generations exit.
    const program = this.child.takeRequestedProgram();
    this.#inPlace.begin(program, () => packPayload(parts, parts.service()));
  }

  /**
   * Begins as the successor of another baton, whose generation serves until the first one here does.
   * @returns the epoch of that generation
   */
  inherit(predecessor: PredecessorBaton): number {
    const { parts } = this;
    const { logger, onTakenOver, onPredecessorGone, handoffIsShared } = parts.options;
    const generation: PredecessorGeneration = new PredecessorGeneration({
      ...parts.context,
      predecessor,
      recovery: parts.options.predecessorRecovery,
      adopt: () => adoptOrphans(parts, generation),
      onTakenOver: () => {
        onTakenOver();
        if (handoffIsShared) this.offers?.takePath();
      },
      onGivenUp: (why) => {
        const epoch = predecessor.state.nextEpoch;
        const reason = `takeover: ${why}`;
        const status = EXIT_NEW_GENERATION_FAILED;
        parts.context.dispatch({ kind: "failed", epoch, reason, status });
      },
      onResume: () => parts.context.adopter.retryPostponed(),
      onGone: () => {
        logger.info("the old baton has ended");
        onPredecessorGone();
      },
    });
    parts.running.set(generation.epoch, generation);
    parts.history.started(generation.epoch, generation.startedAt);
    parts.history.counters = predecessor.state.counters;
    return generation.epoch;
  }
}
