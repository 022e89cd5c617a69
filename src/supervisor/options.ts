/** What the supervisor is made of. */
import type { Resumption } from "../succession/state/resumption.ts";
import type { PredecessorRecovery } from "../succession/upgrade/predecessor_recovery.ts";
import type { StateWriter } from "../succession/state/state_writer.ts";
import type { LaunchContext } from "../succession/state/resume_state.ts";
import type { Inheritor } from "../handoff/inherit.ts";
import type { Logger } from "../log/logger.ts";
import type { PredecessorBaton } from "../succession/predecessor_generation.ts";
import type { ControlAccess } from "../succession/in_place_upgrade.ts";
import type { PlanContext } from "../process/launch_plan.ts";
import type { StopReport } from "../report/snapshot.ts";
import type { ServiceManager } from "./service_manager.ts";
import type { ChildUpgradeOptions } from "../succession/child_upgrade.ts";

import type { RunningContext } from "../generation/context.ts";

export interface SupervisorOptions {
  readonly context: Omit<RunningContext, "dispatch" | "log" | "logError" | "journal" | "leftovers">;
  readonly plan: PlanContext;
  readonly inheritor: Inheritor;
  readonly logger: Logger;
  readonly version: string;
  readonly manager: ServiceManager;
  /** What an upgrade of this baton needs. */
  readonly upgrade: Pick<ChildUpgradeOptions, "program" | "prefix" | "env" | "directory" | "lock">;
  /** What this baton goes on with, if another one has stopped in the middle. */
  readonly resumption: Resumption | null;
  readonly launchContext: LaunchContext;
  /** With --survive: what outlives this baton is kept there, once it has the service. */
  readonly stateWriter: () => StateWriter | null;
  /** The service manager keeps sockets for the next baton (steering/standby_sockets.ts). */
  readonly keepsStandbySockets: boolean;
  /** The control socket, which is passed on. */
  readonly controlDoor: () => ControlAccess | null;
  /** The old baton that this one is to replace, if it was started for that. */
  readonly predecessor: PredecessorBaton | null;
  /** What that one leaves if it is killed; null: nothing that we could go on with. */
  readonly predecessorRecovery: PredecessorRecovery | null;
  /** It has the path of --handoff-socket, which is ours when we have taken over. */
  readonly handoffIsShared: boolean;
  /** This baton has replaced the old one: from now on the names (socket, pidfile) are its own. */
  readonly onTakenOver: () => void;
  readonly onPredecessorGone: () => void;
  /** The baton that had replaced this one is gone: the names are our own again. */
  readonly onTakenBack: () => void;
  /** Path of the NOTIFY_SOCKET of a generation. */
  readonly notifyPath: (epoch: number) => string;
  /** Everything is over. */
  readonly onFinish: (report: StopReport) => void;
}
