/** The hidden verb with which completions ask for the names of running services. */
import { reachableServices } from "../../admin/paths.ts";
import type { Platform } from "../../platform/platform.ts";
import { EXIT_OK } from "../console/exit_status.ts";
import { terminalPrinter } from "../console/printer.ts";

export const SERVICES_VERB = "__services";

/** Prints each name on a line. @param asked the value of --runtime-dir; "": none was given */
export function listServices(platform: Platform, asked: string): number {
  const { running } = reachableServices(platform, asked === "" ? null : asked);
  const print = terminalPrinter(platform);
  for (const name of running()) print.out(name);
  return EXIT_OK;
}
