/** `baton reload`: waits for the outcome; a failure shows the reason and the last lines of the server's output. */
import type { Platform } from "../../platform/platform.ts";
import type { ReloadCommand } from "../words/parse.ts";
import type { Printer } from "../console/printer.ts";
import {
  heldLines,
  lateLines,
  outputLines,
  sharedLines,
  storyLine,
  survivorLine,
} from "./reload_text.ts";
import { shareText } from "../../admin/page/texts.ts";
import { RELOAD_REPLY, type ReloadReply } from "../../admin/replies.ts";
import { EXIT_STATUS_OF, readReply } from "../console/replies.ts";
import { callService } from "../console/target.ts";
import type { ReloadRollout } from "../words/parse_trial.ts";

export function commandReload(platform: Platform, command: ReloadCommand, print: Printer): number {
  const reply = callService(platform, command, {
    method: "POST",
    path: `/v1/reload${query(command.how)}`,
    timeoutMs: command.timeoutMs ?? 0,
    showsProgress: true,
  });
  const report = readReply(RELOAD_REPLY, "reload", reply);
  if (command.json) print.out(JSON.stringify(report, null, 2));
  else describe(report, print);
  return EXIT_STATUS_OF[report.result];
}

const KEYS = {
  order: "order",
  canary: "canary",
  rampMs: "ramp_ms",
  bakeMs: "bake_ms",
  hold: "hold",
  rolling: "rolling",
} as const;

function query(how: ReloadRollout): string {
  // `--order auto` asks for what was decided for the service, as no option does.
  const given = Object.entries(how).filter(([, value]) => value !== "auto");
  const values = given.map(([field, value]) => [
    KEYS[field as keyof ReloadRollout],
    value === true ? "1" : String(value),
  ]);
  return values.length === 0 ? "" : `?${new URLSearchParams(values)}`;
}

function describe(report: ReloadReply, print: Printer): void {
  const story = storyLine(report);
  if (report.result === "ok" && report.trial !== null) {
    const time = `after ${report.durationMs} ms`;
    print.out(`generation ${report.trial.epoch} gets ${shareText(report.trial)} ${time}`, "blue");
    sharedLines(report).forEach((line) => print.error(`  ${line}`, "yellow"));
    report.postponed.forEach((line) => print.error(`  ${line}`, "yellow"));
    return print.out("run 'baton promote' to accept it, or 'baton rollback' to discard it");
  }
  if (report.result === "ok") {
    print.out(`generation ${report.epoch} serves after ${report.durationMs} ms`, "green");
    if (story !== "") print.out(`  ${story}`, "dim");
    heldLines(report).forEach((line) => print.out(`  ${line}`));
    sharedLines(report).forEach((line) => print.error(`  ${line}`, "yellow"));
    report.postponed.forEach((line) => print.error(`  ${line}`, "yellow"));
    return lateLines(report).forEach((line) => print.out(`  ${line}`));
  }
  if (report.result === "refused") return print.error(`reload refused: ${report.reason}`, "yellow");
  print.error(`reload failed: generation ${report.epoch}: ${report.reason}`, "red");
  const times = story === "" ? "" : ` (${story})`;
  print.error(`${survivorLine(report)}${times}`);
  heldLines(report).forEach((line) => print.error(line));
  outputLines(report).forEach((line) => print.error(line));
}
