/** What all generations of a service share: the kernel side, the user's policy, and where they report to. */
import type { Config } from "../config/config.ts";
import type { CommandPreset } from "../config/presets.ts";
import type { Front } from "../front/front.ts";
import type { Adopter } from "../handoff/adopt.ts";
import type { ServiceEvent } from "../lifecycle/vocabulary.ts";
import type { Migration } from "../migration/migration.ts";
import type { Platform } from "../platform/platform.ts";
import type { Children } from "../process/children.ts";
import type { Foreground } from "../process/foreground.ts";
import type { Listeners } from "../steering/listeners.ts";
import type { Journal } from "../succession/state/journal.ts";
import type { BeginCheck } from "./checks/check_request.ts";
import type { Leftovers } from "./leftovers.ts";

export interface RunningContext {
  readonly platform: Platform;
  readonly children: Children;
  readonly listeners: Listeners;
  /** Present without traps too: a generation that an earlier baton started may have a filter. */
  readonly adopter: Adopter;
  readonly foreground: Foreground;
  /** Null: keep-alive connections stay where they are (--keep-alive leave). */
  readonly migration: Migration | null;
  /** Null: no --front is given. */
  readonly front: Front | null;
  readonly config: Config;
  /** Null: no check is configured, and a reload reads nothing that could have one. */
  readonly beginCheck: BeginCheck<RunningContext> | null;
  readonly preset: CommandPreset;
  /** Why two generations must not run at the same time; null: nothing is known against it. */
  readonly exclusive: string | null;
  readonly journal: Journal;
  readonly leftovers: Leftovers;
  /** Texts of notices that were logged already: each is said once for the service. */
  readonly notices: Set<string>;
  readonly dispatch: (event: ServiceEvent) => void;
  readonly log: (message: string) => void;
  /** For messages that an operator must act on. */
  readonly logError: (message: string) => void;
}
