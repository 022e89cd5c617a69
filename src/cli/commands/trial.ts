/**
 * `baton promote`, `baton rollback`, `baton canary` decide about the generation on trial, `baton scale` how many workers
 * the serving one has.
 */
import type { Platform } from "../../platform/platform.ts";
import type { Printer } from "../console/printer.ts";
import { shareText } from "../../admin/page/texts.ts";
import { SCALE_REPLY, TRIAL_REPLY, type TrialReply } from "../../admin/replies.ts";
import { EXIT_STATUS_OF, readReply } from "../console/replies.ts";
import { callService } from "../console/target.ts";
import type { ScaleCommand } from "../words/parse_scale.ts";
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
  else print.out(`generation ${report.epoch} ${outcome(command, report)}`);
  return EXIT_STATUS_OF[report.result];
}

function outcome(
  { verb, percent }: TrialCommand,
  report: TrialReply,
): string {
  if (percent !== null) return `gets ${shareText({ ...report, percent })}`;
  return verb === "promote" ? "is promoted" : "is rolled back";
}

/** Asks for another number of workers, and waits until they serve, or until those that go have drained. */
export function commandScale(platform: Platform, command: ScaleCommand, print: Printer): number {
  const { workers, relative } = command.change;
  const reply = callService(platform, command, {
    method: "POST",
    path: `/v1/scale?${relative ? "by" : "workers"}=${workers}`,
    timeoutMs: command.timeoutMs ?? 0,
    showsProgress: true,
  });
  const report = readReply(SCALE_REPLY, "scale", reply);
  const present = report.workers === 1 ? "1 worker" : `${report.workers} workers`;
  if (command.json) print.out(JSON.stringify(report, null, 2));
  else if (report.result === "ok") print.out(`${present} after ${report.durationMs} ms`);
  else print.error(`scale ${report.result}: ${report.reason}; still ${present}`);
  return EXIT_STATUS_OF[report.result];
}
