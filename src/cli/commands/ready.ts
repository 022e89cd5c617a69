/** `baton ready`: an exec probe, /readyz as an exit status. */
import type { Platform } from "../../platform/platform.ts";
import { EXIT_NOT_READY, EXIT_OK } from "../console/exit_status.ts";
import type { Target } from "../words/words.ts";
import type { Printer } from "../console/printer.ts";
import { PROBE_REPLY } from "../../admin/replies.ts";
import { readReply } from "../console/replies.ts";
import { callService } from "../console/target.ts";

const REQUEST_TIMEOUT_MS = 5_000;

export function commandReady(platform: Platform, command: Target, print: Printer): number {
  const reply = callService(platform, command, {
    method: "GET",
    path: "/v1/probes",
    timeoutMs: REQUEST_TIMEOUT_MS,
  });
  const report = readReply(PROBE_REPLY, "ask whether it is ready", reply);
  if (report.ready) print.out("ready");
  else print.error(`not ready: ${report.why}`);
  return report.ready ? EXIT_OK : EXIT_NOT_READY;
}
