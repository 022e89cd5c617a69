/** `baton schema`. */
import { configSchema } from "../../config/schema.ts";
import type { Platform } from "../../platform/platform.ts";
import { EXIT_OK } from "../console/exit_status.ts";
import type { Printer } from "../console/printer.ts";
import type { Command } from "../words/parse.ts";

export function commandSchema(
  _platform: Platform,
  _command: Extract<Command, { verb: "schema" }>,
  print: Printer,
): number {
  print.out(JSON.stringify(configSchema(), null, 2));
  return EXIT_OK;
}
