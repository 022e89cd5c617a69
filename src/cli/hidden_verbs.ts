/** The verbs with which baton starts itself, but for the launcher's (start.ts): fd-store server, preflight of an upgrade in place, rehearsal. */
import type { Platform } from "../platform/platform.ts";
import { runDirector } from "../rehearse/director.ts";
import { DIRECT_VERB, STAGE_VERB } from "../rehearse/plan.ts";
import { runStage } from "../rehearse/stage.ts";
import { HOLD_VERB } from "../succession/state/fd_store_protocol.ts";
import { FdStoreServer } from "../succession/state/fd_store_server.ts";
import { CHECK_VERB } from "../succession/upgrade/preflight.ts";
import { commandCheckState } from "./commands/check_state.ts";
import { EXIT_OK } from "./console/exit_status.ts";

/** @returns the exit status; null: the first word is not a hidden verb */
export function runHiddenVerb(platform: Platform): number | Promise<number> | null {
  const [verb, argument, ...rest] = platform.runtime.argv;
  if (argument === undefined) return null;
  const descriptor = Number(argument);
  if (verb === CHECK_VERB) return commandCheckState(platform, descriptor, rest);
  if (verb === STAGE_VERB) return runStage(platform, descriptor);
  if (verb === DIRECT_VERB) return runDirector(platform, descriptor);
  if (verb !== HOLD_VERB) return null;
  const [path = "", mode = ""] = rest;
  new FdStoreServer(platform, descriptor, path, mode === "next").run();
  return EXIT_OK;
}
