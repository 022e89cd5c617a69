/** `baton reload`: waits for the verdict; a failed reload says why, with the last words. */
import { UserError } from "../../config/values/errors.ts";
import type { Platform } from "../../platform/platform.ts";
import type { ReloadReport } from "../../report/snapshot.ts";
import type { Command } from "../words/parse.ts";
import {
  EXIT_BUSY,
  EXIT_NEW_GENERATION_FAILED,
  EXIT_OK,
  EXIT_SYSTEM,
} from "../console/exit_status.ts";
import type { Printer } from "../console/printer.ts";
import { lateLines, storyLine } from "./reload_text.ts";
import { callService } from "../console/target.ts";
import type { ReloadRollout } from "../words/trial_verbs.ts";

const HTTP_ERROR = 500;

export function commandReload(
  platform: Platform,
  command: Extract<Command, { verb: "reload" }>,
  print: Printer,
): number {
  const { status, body } = callService(platform, command, {
    method: "POST",
    path: `/v1/reload${query(command.how)}`,
    timeoutMs: command.timeoutMs ?? 0,
  });
  const report = body as ReloadReport & { error?: string };
  if (report.result === undefined) {
    const why = report.error ?? `status ${status}`;
    throw new UserError(`Cannot reload: ${why}`, {
      status: status >= HTTP_ERROR ? EXIT_SYSTEM : EXIT_BUSY,
    });
  }
  if (command.json) print.out(JSON.stringify(report, null, 2));
  else describe(report, print);
  if (report.result === "ok") return EXIT_OK;
  return report.result === "refused" ? EXIT_BUSY : EXIT_NEW_GENERATION_FAILED;
}

const KEYS = { canary: "canary", rampMs: "ramp_ms", bakeMs: "bake_ms", hold: "hold" } as const;

function query(how: ReloadRollout): string {
  const values = Object.entries(how).map((
    [field, value],
  ) => [KEYS[field as keyof ReloadRollout], value === true ? "1" : String(value)]);
  return values.length === 0 ? "" : `?${new URLSearchParams(values)}`;
}

function describe(report: ReloadReport, print: Printer): void {
  const story = storyLine(report);
  if (report.result === "ok" && report.trial) {
    const { epoch, percent } = report.trial;
    const [name, time] = [`generation ${epoch}`, `after ${report.durationMs} ms`];
    print.out(`${name} gets ${percent} % of the new connections ${time}`);
    return print.out("let it in with 'baton promote', or send it away with 'baton rollback'");
  }
  if (report.result === "ok") {
    print.out(`generation ${report.epoch} serves after ${report.durationMs} ms`);
    if (story !== "") print.out(`  ${story}`);
    return lateLines(report, report.epoch).forEach((line) => print.out(`  ${line}`));
  }
  if (report.result === "refused") return print.error(`reload refused: ${report.reason}`);
  print.error(`reload failed: generation ${report.epoch}: ${report.reason}`);
  const times = story === "" ? "" : ` (${story})`;
  print.error(
    report.serving === null
      ? `no generation serves now: connections wait while the server is started again${times}`
      : `the generation before it serves on; nothing was lost${times}`,
  );
  if (report.output.length === 0) {
    const where = "what it printed is in the output of baton";
    return print.error(report.outputIsDirect ? where : "it printed nothing");
  }
  print.error(report.outputIsDirect ? "its last words before it listened:" : "its last words:");
  for (const line of report.output) print.error(`  ${line}`);
}
