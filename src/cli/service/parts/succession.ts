/** The instances of this service before and after this one. */
import { PredecessorRecovery } from "../../../succession/upgrade/predecessor_recovery.ts";
import type { ServiceManager } from "../../../supervisor/service_manager.ts";
import type { Endpoints } from "../endpoints/endpoints.ts";
import { programOf } from "../process_setup.ts";
import type { ServiceSetup } from "../service_setup.ts";
import { predecessorOf, type StartMode } from "../start_mode.ts";
import type { ServiceEvents } from "./events.ts";
import type { serviceStats } from "./stats.ts";

/** What this instance has of the one before it, and how it starts the one after it: options of the supervisor. */
export function successionOptions(setup: ServiceSetup, mode: StartMode) {
  const { platform, config, env, paths, launchContext: { directory }, optional } = setup;
  const [program = "", ...prefix] = programOf(platform);
  return {
    upgrade: { program, prefix, env, directory, lock: mode.lock.fd },
    TakeoverOffers: optional.TakeoverOffers,
    predecessor: predecessorOf(mode),
    // The fd store process of the predecessor listens under the name of the service.
    predecessorRecovery: mode.ownsName ? null : new PredecessorRecovery(
      platform,
      paths.hold,
      mode.kind === "upgrade-child" ? mode.predecessor.state : null,
    ),
    handoffIsShared: mode.kind === "upgrade-child" ||
      (mode.kind === "takeover" && config.takeover === config.handoffSocket),
    resumption: mode.resumption,
  };
}

interface NamedParts {
  readonly stats: ReturnType<typeof serviceStats>;
  readonly endpoints: Endpoints;
  readonly events: ServiceEvents;
  readonly otlp: { start(): void } | null;
  readonly manager: Pick<ServiceManager, "becomeMain">;
}

/** What follows when the name of the service passes from one instance to another: handlers for the supervisor. */
export function nameHandlers(
  { stats, endpoints, events, otlp, manager }: NamedParts,
  mode: StartMode,
) {
  const predecessor = predecessorOf(mode);
  return {
    onTakenOver: () => {
      stats.onTakenOver();
      try {
        endpoints.takeFromPredecessor();
      } finally {
        predecessor?.whenSilent(() => events.begin());
      }
      otlp?.start();
    },
    onPredecessorGone: () => {
      stats.onOtherGone();
      endpoints.onPredecessorGone();
      manager.becomeMain();
    },
    onTakenBack: () => {
      stats.onOtherGone();
      endpoints.takeBackFromSuccessor();
      events.beginAgain();
    },
  };
}
