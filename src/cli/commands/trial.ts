/** `baton promote`, `baton rollback`, `baton canary`: decide about the generation on trial. */
import type { Platform } from "../../platform/platform.ts";
import type { Printer } from "../console/printer.ts";
import { TRIAL_REPLY } from "../../admin/replies.ts";
import { EXIT_STATUS_OF, readReply } from "../console/replies.ts";
import { callService } from "../console/target.ts";
import type { TrialCommand } from "../words/parse_trial.ts";

const DEFAULT_TIMEOUT_MS = 10_000;

export function commandTrial(platform: Platform, command: TrialCommand, print: Printer): number {
  const { verb, percent } = command;
  const reply = callService(platform, command, {
    method: "POST",
    path: `/v1/${verb}${percent === null ? "" : `?percent=${percent}`}`,
    timeoutMs: command.timeoutMs ?? DEFAULT_TIMEOUT_MS,
  });
  const report = readReply(TRIAL_REPLY, verb, reply);
  if (command.json) print.out(JSON.stringify(report, null, 2));
  else if (report.result === "refused") print.error(`${verb} refused: ${report.reason}`);
  else print.out(`generation ${report.epoch} ${outcome(command)}`);
  return EXIT_STATUS_OF[report.result];
}

function outcome({ verb, percent }: TrialCommand): string {
  if (verb === "canary") return `gets ${percent} % of the new connections`;
  return verb === "promote" ? "is promoted" : "is rolled back";
}
