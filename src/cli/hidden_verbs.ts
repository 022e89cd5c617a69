/**
 * The verbs with which baton starts itself as a process with another task: fd-store server, preflight of an upgrade in
 * place, rehearsal, passing filter, list of services for a shell's completion. The launcher's verb is in start.ts.
 */
import type { Platform } from "../platform/platform.ts";
import { passingMeanwhile } from "../handoff/calls/calls_meanwhile.ts";
import { PASS_VERB, passCalls } from "../process/passing_filter.ts";
import { runDirector } from "../rehearse/director.ts";
import { DIRECT_VERB, STAGE_VERB } from "../rehearse/plan.ts";
import { runStage } from "../rehearse/stage.ts";
import { HOLD_VERB } from "../succession/state/fd_store_protocol.ts";
import { FdStoreServer } from "../succession/state/fd_store_server.ts";
import type { PassingCalls } from "../succession/state/waiting_calls.ts";
import { CHECK_VERB } from "../succession/upgrade/preflight.ts";
import { listServices, SERVICES_VERB } from "./completion/services.ts";
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
  if (verb === SERVICES_VERB) return listServices(platform, argument);
  if (verb === PASS_VERB) passCalls(platform, descriptor);
  else if (verb === HOLD_VERB) holdDescriptors(platform, descriptor, rest);
  else return null;
  return EXIT_OK;
}

function holdDescriptors(platform: Platform, control: number, args: readonly string[]): void {
  const [path = "", mode = ""] = args;
  const passing: PassingCalls = (groups) => passingMeanwhile(platform, groups);
  new FdStoreServer(platform, { control, finalPath: path, isNext: mode === "next", passing }).run();
}
