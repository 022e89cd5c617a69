/** `baton hot-restarter`: Envoy's `hot-restarter.py`, from the command to the exit status (docs/envoy.md). */
import { signalNumber } from "../../../config/values/signals.ts";
import { ExactDecider } from "../../../hot_restarter/exact.ts";
import { Restarter } from "../../../hot_restarter/restarter.ts";
import { useTimeZone } from "../../../platform/local_time.ts";
import type { Platform } from "../../../platform/platform.ts";
import { passOnDescriptors } from "../../../platform/program/plain_child.ts";
import { originalFileLimit } from "../../../process/launch_plan.ts";
import type { Printer } from "../../console/printer.ts";
import type { HotRestarterCommand } from "../../words/parse_run.ts";

export async function commandHotRestarter(
  platform: Platform,
  { target, guard }: HotRestarterCommand,
  print: Printer,
): Promise<number> {
  const { libc, runtime } = platform;
  const env = runtime.env();
  useTimeZone(libc, env["TZ"]);
  inherit(platform);
  const options = {
    target,
    env,
    onError: (message: string) => print.error(`baton: ${message}`, "red"),
  };
  if (guard === null) return await new Restarter(platform, new ExactDecider(), options).run();
  const { runGuarded } = await import("./guarded.ts");
  return await runGuarded(platform, options, guard);
}

/** Undoes what the runtime has changed in this process: its children are to get what it was given. */
function inherit(platform: Platform): void {
  const { processes } = platform;
  passOnDescriptors(platform);
  // Python ignores both signals, and an ignored signal stays so in the programs that it starts.
  processes.ignoreSignals([signalNumber("SIGPIPE"), signalNumber("SIGXFSZ")]);
  const limit = originalFileLimit(processes.parentPid(), processes.fileLimit());
  if (limit !== null) processes.setFileLimit(limit);
}
