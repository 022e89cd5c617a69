/** `baton completions SHELL`: words -> command. Pure. */
import { UserError } from "../../config/values/errors.ts";
import type { Words } from "./words.ts";

export const SHELLS = ["bash", "fish", "zsh"] as const;
export type Shell = typeof SHELLS[number];

export interface CompletionsCommand {
  readonly verb: "completions";
  readonly shell: Shell;
}

export function parseCompletions({ operands: [word = ""] }: Words): CompletionsCommand {
  const shell = SHELLS.find((known) => known === word);
  if (shell !== undefined) return { verb: "completions", shell };
  const what = word === "" ? "Name a shell" : `Unknown shell "${word}"`;
  throw new UserError(`${what}: known are ${SHELLS.join(", ")}`, {
    remedy: "For example: source <(baton completions bash)",
  });
}
