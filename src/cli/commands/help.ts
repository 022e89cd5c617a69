/** `baton help` and `baton version`. */
import type { Platform } from "../../platform/platform.ts";
import { EXIT_OK } from "../console/exit_status.ts";
import type { Printer } from "../console/printer.ts";
import { VERSION } from "../console/version.ts";
import { helpText } from "../words/help.ts";
import type { Command } from "../words/parse.ts";

export function commandHelp(
  _: Platform,
  { topic }: Extract<Command, { verb: "help" }>,
  print: Printer,
): number {
  print.out(helpText(topic).trimEnd());
  return EXIT_OK;
}

export function commandVersion(_: Platform, __: unknown, print: Printer): number {
  print.out(`baton ${VERSION}`);
  return EXIT_OK;
}
