/**
 * Where both entries lead. A launcher starts for every generation, and a reload takes as long: it loads nothing else of
 * baton, which is half of the time until it becomes the server.
 */
import { launch } from "../launcher/launcher.ts";
import { LAUNCH_VERB } from "../launcher/plan.ts";
import { Platform } from "../platform/platform.ts";
import { startClean } from "../platform/process/hidden_environment.ts";
import type { Runtime } from "../platform/runtime/runtime.ts";

/** @returns the exit status */
export async function start(runtime: Runtime): Promise<number> {
  const platform = new Platform(runtime);
  startClean(platform);
  const [verb, argument] = runtime.argv;
  if (verb === LAUNCH_VERB && argument !== undefined) launch(platform, Number(argument));
  const { runCommandLine } = await import("./run.ts");
  return await runCommandLine(platform);
}
