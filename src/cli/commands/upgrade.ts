/**
 * `baton upgrade`: a new baton takes over from the running one, or the running one becomes it
 * (`--in-place`); waits until it serves.
 *
 * In place the connection of this command ends with the old program: the new one has arrived when the
 * control socket answers with the next `incarnation`.
 */
import { UserError } from "../../config/values/errors.ts";
import { isText } from "../../platform/bytes.ts";
import { resolvePath } from "../../platform/files/path.ts";
import type { Platform } from "../../platform/platform.ts";
import type { Snapshot, UpgradeReport } from "../../report/snapshot.ts";
import type { Command } from "../words/parse.ts";
import {
  EXIT_BUSY,
  EXIT_NEW_GENERATION_FAILED,
  EXIT_OK,
  EXIT_SYSTEM,
} from "../console/exit_status.ts";
import type { Printer } from "../console/printer.ts";
import { callService, endedWithoutAnswer } from "../console/target.ts";

type UpgradeCommand = Extract<Command, { verb: "upgrade" }>;

/** The old program has gone: the new one has this long to answer. */
const ARRIVAL_MS = 10_000;
const ARRIVAL_LOOK_MS = 20;

export async function commandUpgrade(
  platform: Platform,
  command: UpgradeCommand,
  print: Printer,
): Promise<number> {
  const { exec } = command;
  const program = exec === null ? null : programAt(exec, platform.files.directory());
  const before = status(platform, command);
  const startedAt = performance.now();
  const answer = request(platform, command, program);
  const report = answer ?? await arrival(platform, command, before, startedAt);
  if (command.json) print.out(JSON.stringify(report, null, 2));
  else if (report.result === "ok") {
    print.out(
      answer === null
        ? `baton ${report.pid} goes on as the new program after ${report.durationMs} ms`
        : `baton ${report.pid} has taken over after ${report.durationMs} ms`,
    );
  } else {
    print.error(`upgrade ${report.result}: ${report.reason}`);
    if (report.result === "failed") print.error("the running baton goes on; nothing was lost");
  }
  if (report.result === "ok") return EXIT_OK;
  return report.result === "refused" ? EXIT_BUSY : EXIT_NEW_GENERATION_FAILED;
}

/** @returns null when the connection ended without an answer: the program has gone */
function request(
  platform: Platform,
  command: UpgradeCommand,
  program: string | null,
): UpgradeReport | null {
  const query = new URLSearchParams();
  if (program !== null) query.set("program", program);
  if (command.inPlace) query.set("in_place", "1");
  try {
    const { body } = callService(platform, command, {
      method: "POST",
      path: `/v1/upgrade?${query}`,
      timeoutMs: command.timeoutMs ?? 0,
    });
    return body as UpgradeReport;
  } catch (error) {
    if (endedWithoutAnswer(error)) return null;
    throw error;
  }
}

/** A path is meant from where the user is; a bare name is looked for in PATH. */
function programAt(exec: string, directory: string): string {
  const program = exec.includes("/") ? resolvePath(directory, exec) : exec;
  if (isText(program)) return program;
  throw new UserError(`Cannot use --exec ${exec}: the path ${program} is not UTF-8`, {
    remedy: "Put the new baton at another path",
  });
}

function status(platform: Platform, command: UpgradeCommand): Snapshot {
  const timeoutMs = ARRIVAL_MS;
  return callService(platform, command, { method: "GET", path: "/v1/status", timeoutMs })
    .body as Snapshot;
}

/** Waits until the next incarnation answers. @throws {UserError} when none does */
async function arrival(
  platform: Platform,
  command: UpgradeCommand,
  before: Snapshot,
  startedAt: number,
): Promise<UpgradeReport> {
  const gone = performance.now();
  while (performance.now() - gone < ARRIVAL_MS) {
    try {
      const now = status(platform, command);
      // Another process: the old one was killed, and the new one goes on by itself.
      if (now.pid !== before.pid || now.incarnation > before.incarnation) {
        const durationMs = Math.round(performance.now() - startedAt);
        return { result: "ok", reason: null, pid: now.pid, durationMs };
      }
    } catch {
      // It does not answer yet.
    }
    await new Promise((wake) => setTimeout(wake, ARRIVAL_LOOK_MS));
  }
  throw new UserError(
    `Cannot tell what became of the upgrade: the baton that was running (pid ${before.pid}) ended ` +
      `the connection, and none has gone on in its place within ${ARRIVAL_MS / 1000} s`,
    { status: EXIT_SYSTEM, remedy: 'See "baton status", and the log of baton' },
  );
}
