/** `baton help`. */
import type { Platform } from "../../platform/platform.ts";
import { EXIT_OK } from "../console/exit_status.ts";
import type { Printer } from "../console/printer.ts";
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
