/** `baton completions SHELL`: prints the completion of that shell, to be saved or sourced. */
import type { Platform } from "../../platform/platform.ts";
import { bashCompletion } from "./bash.ts";
import { fishCompletion } from "./fish.ts";
import type { Shell } from "../words/parse_completions.ts";
import { zshCompletion } from "./zsh.ts";
import { EXIT_OK } from "../console/exit_status.ts";
import type { Printer } from "../console/printer.ts";
import type { CompletionsCommand } from "../words/parse_completions.ts";

const MAKERS: Readonly<Record<Shell, () => string>> = {
  bash: bashCompletion,
  fish: fishCompletion,
  zsh: zshCompletion,
};

export function commandCompletions(
  _: Platform,
  { shell }: CompletionsCommand,
  print: Printer,
): number {
  print.out(MAKERS[shell]().trimEnd());
  return EXIT_OK;
}
