/** What the supervisor is made of, what all generations share, and what one of them is started with. */
import type { Config } from "../config/config.ts";
import type { Preset } from "../config/presets.ts";
import type { Adopter } from "../handoff/adopt.ts";
import type { LaunchPlan } from "../launcher/plan.ts";
import type { ServiceEvent } from "../lifecycle/vocabulary.ts";
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import type { Listeners } from "../steering/listeners.ts";
import type { Member } from "../steering/member.ts";
import type { Estate } from "../upgrade/estate.ts";
import type { Resumption } from "../upgrade/in_place.ts";
import type { Migration } from "../migrate/migration.ts";
import type { Keeper } from "../upgrade/keeper.ts";
import type { GenerationRecord, Surroundings } from "../upgrade/resume_state.ts";
import type { Inheritor } from "../handoff/inherit.ts";
import type { Logger } from "../log/logger.ts";
import type { Children } from "./children.ts";
import type { OldBaton } from "./foreign.ts";
import type { ControlDoor } from "./in_place_upgrade.ts";
import type { Foreground } from "./foreground.ts";
import type { Journal } from "./journal.ts";
import type { PlanContext } from "./plan.ts";
import type { Remnants } from "./remnants.ts";
import type { StopReport } from "./snapshot.ts";
import type { ServerResumption } from "./server_process.ts";
import type { ServiceManager } from "./service_manager.ts";
import type { UpgraderOptions } from "./upgrader.ts";

/** What all generations share. */
export interface RunningContext {
  readonly platform: Platform;
  readonly config: Config;
  readonly preset: Preset;
  readonly children: Children;
  readonly listeners: Listeners;
  /** Also where nothing is trapped: generations of a baton before may have a filter. */
  readonly adopter: Adopter;
  /** The terminal, if there is one, and the standard input of servers. */
  readonly foreground: Foreground;
  /** Null: connections that clients keep open stay where they are (--keep-alive leave). */
  readonly migration: Migration | null;
  readonly journal: Journal;
  readonly remnants: Remnants;
  readonly dispatch: (event: ServiceEvent) => void;
  readonly log: (message: string) => void;
  /** The same for what somebody must see to. */
  readonly logError: (message: string) => void;
}

export interface StartOptions {
  /** No other generation lives. */
  readonly isAlone: boolean;
  readonly plan: LaunchPlan;
  readonly members: readonly Member[];
}

/** A generation that another baton has started. */
export interface ResumeOptions {
  readonly record: GenerationRecord;
  readonly notifyPath: string;
  /** The socket behind it. */
  readonly notify: Fd | null;
  readonly filter: Fd | null;
  readonly outputs: ServerResumption["outputs"];
  readonly isForeign: boolean;
}

export interface SupervisorOptions {
  readonly context: Omit<RunningContext, "dispatch" | "log" | "logError" | "journal" | "remnants">;
  readonly plan: PlanContext;
  readonly inheritor: Inheritor;
  readonly logger: Logger;
  readonly version: string;
  readonly manager: ServiceManager;
  /** What an upgrade of this baton needs. */
  readonly upgrade: Pick<UpgraderOptions, "program" | "prefix" | "env" | "directory" | "lock">;
  /** What this baton goes on with, if another one has stopped in the middle. */
  readonly resumption: Resumption | null;
  readonly surroundings: Surroundings;
  /** With --survive: what outlives this baton is kept there, once it has the service. */
  readonly keeper: () => Keeper | null;
  /** The service manager keeps sockets for the next baton (steering/spares.ts). */
  readonly keepsSpares: boolean;
  /** The control socket, which is passed on. */
  readonly door: () => ControlDoor | null;
  /** The old baton that this one is to replace, if it was started for that. */
  readonly predecessor: OldBaton | null;
  /** What that one leaves if it is killed; null: nothing that we could go on with. */
  readonly estate: Estate | null;
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
