/** The hidden verb with which completions ask for the names of running services. */
import {
  runningServices,
  runtimeDirectory,
  serviceDirectory,
  servicesIn,
  visibleServices,
} from "../../admin/paths.ts";
import type { Platform } from "../../platform/platform.ts";
import { EXIT_OK } from "../console/exit_status.ts";
import { terminalPrinter } from "../console/printer.ts";

export const SERVICES_VERB = "__services";

/** Prints each on a line. @param asked the value of --runtime-dir; "": none */
export function listServices(platform: Platform, asked: string): number {
  const given = asked === "" ? null : asked;
  const directory = runtimeDirectory(given, platform.runtime.env(), platform.processes.userId());
  const names = given === null ? visibleServices(directory) : servicesIn(directory);
  const placeOf = (name: string) => given === null ? serviceDirectory(directory, name) : directory;
  const print = terminalPrinter(platform);
  for (const name of runningServices(platform, names, placeOf)) print.out(name);
  return EXIT_OK;
}
