/** `baton scale`: another number of workers; waits until they serve, or until those that go have drained. */
import type { Platform } from "../../platform/platform.ts";
import { SCALE_REPLY } from "../../admin/replies.ts";
import type { Printer } from "../console/printer.ts";
import { EXIT_STATUS_OF, readReply } from "../console/replies.ts";
import { callService } from "../console/target.ts";
import type { ScaleCommand } from "../words/parse_scale.ts";

export function commandScale(platform: Platform, command: ScaleCommand, print: Printer): number {
  const { workers, relative } = command.change;
  const reply = callService(platform, command, {
    method: "POST",
    path: `/v1/scale?${relative ? "by" : "workers"}=${workers}`,
    timeoutMs: command.timeoutMs ?? 0,
  });
  const report = readReply(SCALE_REPLY, "scale", reply);
  const present = report.workers === 1 ? "1 worker" : `${report.workers} workers`;
  if (command.json) print.out(JSON.stringify(report, null, 2));
  else if (report.result === "ok") print.out(`${present} after ${report.durationMs} ms`);
  else print.error(`scale ${report.result}: ${report.reason}; still ${present}`);
  return EXIT_STATUS_OF[report.result];
}
