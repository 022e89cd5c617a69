/** Apart from the other policy: a shutdown-only baton needs none of that. */
import { signalNumber } from "../config/values/signals.ts";
import type { RunningContext } from "../generation/context.ts";

/** @returns what makes the server reopen its logs (--usr1); null: it does not know such a signal */
export function reopenSignal(
  { config: { usr1 }, preset }: Pick<RunningContext, "config" | "preset">,
): number | null {
  const knows = usr1 === "forward" || (usr1 === "auto" && preset.usr1 !== "ignore");
  return knows ? signalNumber("SIGUSR1") : null;
}
