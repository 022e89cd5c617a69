/** `baton ready`: an exec probe. Answers as /readyz does, by the exit status. */
import type { Platform } from "../../platform/platform.ts";
import type { ProbeReport } from "../../report/snapshot.ts";
import { EXIT_NOT_READY, EXIT_OK } from "../console/exit_status.ts";
import type { Command } from "../words/parse.ts";
import type { Printer } from "../console/printer.ts";
import { callService } from "../console/target.ts";

const REQUEST_TIMEOUT_MS = 5_000;

export function commandReady(
  platform: Platform,
  command: Extract<Command, { verb: "ready" }>,
  print: Printer,
): number {
  const { body } = callService(platform, command, {
    method: "GET",
    path: "/v1/probes",
    timeoutMs: REQUEST_TIMEOUT_MS,
  });
  const report = body as ProbeReport;
  if (report.ready) print.out("ready");
  else print.error(`not ready: ${report.why}`);
  return report.ready ? EXIT_OK : EXIT_NOT_READY;
}
