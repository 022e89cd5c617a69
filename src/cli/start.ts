/**
 * Where both entries lead. For a launcher nothing else of baton is loaded: each start of a server would take that much
 * longer.
 */
import { writeSync } from "node:fs";
import { LAUNCH_VERB } from "../launcher/plan.ts";
import { errorText } from "../platform/error.ts";
import { Platform } from "../platform/platform.ts";
import { startClean } from "../platform/process/hidden_environment.ts";
import type { Runtime } from "../platform/runtime/runtime.ts";
import { EXIT_SYSTEM } from "./console/exit_status.ts";

const STDERR = 2;
/** The runtime compiles each call of the C library. */
const NO_EXECUTABLE_MEMORY =
  "Something forbids memory that is written and then executed: leave out systemd's MemoryDenyWriteExecute=, or PR_SET_MDWE";

/** @returns the exit status */
export async function start(runtime: Runtime): Promise<number> {
  let platform: Platform;
  try {
    platform = new Platform(runtime);
  } catch (error) {
    const message = errorText(error);
    const remedy = /\bJIT\b/.test(message) ? `  ${NO_EXECUTABLE_MEMORY}\n` : "";
    writeSync(STDERR, `baton: ${message}\n${remedy}`);
    return EXIT_SYSTEM;
  }
  startClean(platform);
  const [verb, control, closedFrom] = runtime.argv;
  if (verb === LAUNCH_VERB && closedFrom !== undefined) {
    const { launch } = await import("../launcher/launcher.ts");
    launch(platform, Number(control), Number(closedFrom));
  }
  const { runCommandLine } = await import("./run.ts");
  return await runCommandLine(platform);
}
