/**
 * Where both entries lead. For a launcher nothing else of baton is loaded: each start of a server would take that much
 * longer.
 */
import { LAUNCH_VERB } from "../launcher/plan.ts";
import { Platform } from "../platform/platform.ts";
import { startClean } from "../platform/process/hidden_environment.ts";
import type { Runtime } from "../platform/runtime/runtime.ts";

/** @returns the exit status */
export async function start(runtime: Runtime): Promise<number> {
  const platform = new Platform(runtime);
  startClean(platform);
  const [verb, control, closedFrom] = runtime.argv;
  if (verb === LAUNCH_VERB && closedFrom !== undefined) {
    const { launch } = await import("../launcher/launcher.ts");
    launch(platform, Number(control), Number(closedFrom));
  }
  const { runCommandLine } = await import("./run.ts");
  return await runCommandLine(platform);
}
