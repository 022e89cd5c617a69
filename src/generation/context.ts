/** What all generations share, and what one of them is started with. */
import type { Config } from "../config/config.ts";
import type { Preset } from "../config/presets.ts";
import type { Adopter } from "../handoff/adopt.ts";
import type { LaunchPlan } from "../launcher/plan.ts";
import type { ServiceEvent } from "../lifecycle/vocabulary.ts";
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import type { Listeners } from "../steering/listeners.ts";
import type { Member } from "../steering/member.ts";
import type { Migration } from "../migration/migration.ts";
import type { GenerationRecord } from "../succession/state/resume_state.ts";
import type { Children } from "../process/children.ts";
import type { Foreground } from "../process/foreground.ts";
import type { Journal } from "../succession/state/journal.ts";
import type { Leftovers } from "./leftovers.ts";
import type { ServerResumption } from "../process/server_process.ts";

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
  readonly leftovers: Leftovers;
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
