/** What the supervisor is given. */
import type { ServiceOrder } from "../config/order.ts";
import type { Resumption } from "../succession/state/resumption.ts";
import type { PredecessorRecovery } from "../succession/upgrade/predecessor_recovery.ts";
import type { Inheritor } from "../handoff/inherit.ts";
import type { PredecessorBaton } from "../succession/predecessor_generation.ts";
import type { ResumeSources } from "../succession/pack_service.ts";
import type { TakeoverOffers } from "../succession/takeover_offers.ts";
import type { PlanContext } from "../process/launch_plan.ts";
import type { StopReport } from "../report/snapshot.ts";
import type { Observer } from "./observer.ts";
import type { LiveConfig } from "./live_config.ts";
import type { ServiceManager } from "./service_manager.ts";
import type { ChildUpgradeOptions } from "../succession/child_upgrade.ts";
import type { RunningContext } from "../generation/context.ts";

export interface SupervisorOptions extends ResumeSources {
  readonly context: Omit<
    RunningContext,
    "dispatch" | "log" | "logError" | "journal" | "leftovers" | "notices"
  >;
  readonly plan: PlanContext;
  readonly liveConfig: LiveConfig;
  readonly order: ServiceOrder;
  readonly inheritor: Inheritor;
  readonly manager: ServiceManager;
  readonly observers: readonly Observer[];
  /** How the next baton is started. */
  readonly upgrade: Pick<ChildUpgradeOptions, "program" | "prefix" | "env" | "directory" | "lock">;
  /** State of the previous instance, which this baton continues; null: none. */
  readonly resumption: Resumption | null;
  /** The service manager keeps sockets for the next baton (steering/standby_sockets.ts). */
  readonly keepsStandbySockets: boolean;
  /** Null: no --handoff-socket is given. */
  readonly TakeoverOffers: typeof TakeoverOffers | null;
  /** The baton that this one was started to replace; null: none. */
  readonly predecessor: PredecessorBaton | null;
  /** Recovers the servers of the predecessor if that is killed; null: they would not outlive it. */
  readonly predecessorRecovery: PredecessorRecovery | null;
  /** The predecessor listens at the path of --handoff-socket until the takeover. */
  readonly handoffIsShared: boolean;
  /** The takeover is done: the names (control socket, pidfile) belong to this baton now. */
  readonly onTakenOver: () => void;
  readonly onPredecessorGone: () => void;
  /** The successor is gone: the names belong to this baton again. */
  readonly onTakenBack: () => void;
  /** Others who get the events of the service: `rest` resolves when nothing is on its way to them. */
  readonly receivers: { rest(): Promise<void>; resume(): void };
  /** Everything has ended: calls `then` when what others are to learn of it is on its way, or after a moment. */
  readonly beforeFinish: (then: () => void) => void;
  /** The service has ended. */
  readonly onFinish: (report: StopReport) => void;
}
