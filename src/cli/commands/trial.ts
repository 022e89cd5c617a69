/** `baton promote`, `baton rollback`, `baton canary`: what becomes of the generation on trial. */
import { UserError } from "../../config/values/errors.ts";
import type { Platform } from "../../platform/platform.ts";
import type { TrialReport } from "../../report/snapshot.ts";
import { EXIT_BUSY, EXIT_OK, EXIT_SYSTEM } from "../console/exit_status.ts";
import type { Printer } from "../console/printer.ts";
import { callService } from "../console/target.ts";
import type { TrialCommand } from "../words/trial_verbs.ts";

const DEFAULT_TIMEOUT_MS = 10_000;

export function commandTrial(platform: Platform, command: TrialCommand, print: Printer): number {
  const { verb, percent } = command;
  const { status, body } = callService(platform, command, {
    method: "POST",
    path: `/v1/${verb}${percent === null ? "" : `?percent=${percent}`}`,
    timeoutMs: command.timeoutMs ?? DEFAULT_TIMEOUT_MS,
  });
  const report = body as TrialReport & { error?: string };
  if (report.result === undefined) {
    const why = report.error ?? `status ${status}`;
    throw new UserError(`Cannot ${verb}: ${why}`, { status: EXIT_SYSTEM });
  }
  if (command.json) print.out(JSON.stringify(report, null, 2));
  else if (report.result === "refused") print.error(`${verb} refused: ${report.reason}`);
  else print.out(`generation ${report.epoch} ${outcome(command)}`);
  return report.result === "ok" ? EXIT_OK : EXIT_BUSY;
}

function outcome({ verb, percent }: TrialCommand): string {
  if (verb === "canary") return `gets ${percent} % of the new connections`;
  return verb === "promote" ? "is promoted" : "is rolled back";
}
