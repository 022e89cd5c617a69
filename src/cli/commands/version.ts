/** `baton version`. */
import { EXIT_OK } from "../console/exit_status.ts";
import type { Printer } from "../console/printer.ts";
import { VERSION } from "../console/version.ts";

export function commandVersion(print: Printer): number {
  print.out(`baton ${VERSION}`);
  return EXIT_OK;
}
