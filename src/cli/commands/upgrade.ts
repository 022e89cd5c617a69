/**
 * `baton upgrade`: a new baton takes over from the running one, or the running one becomes the new program
 * (`--in-place`); waits until it serves.
 *
 * In place, the connection of this command closes with the old program: the new one runs when the control socket
 * answers with the next `incarnation`.
 */
import { UserError } from "../../config/values/errors.ts";
import { sleep } from "../../platform/clock.ts";
import { isText } from "../../platform/bytes.ts";
import { resolvePath } from "../../platform/files/path.ts";
import type { Platform } from "../../platform/platform.ts";
import type { UpgradeCommand } from "../words/parse.ts";
import { EXIT_SYSTEM } from "../console/exit_status.ts";
import type { Printer } from "../console/printer.ts";
import {
  SERVICE_REPLY,
  type ServiceReply,
  UPGRADE_REPLY,
  type UpgradeReply,
} from "../../admin/replies.ts";
import { EXIT_STATUS_OF, readReply } from "../console/replies.ts";
import { callService, endedWithoutAnswer } from "../console/target.ts";

/** How long the new program has to answer once the old one is gone. */
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
  const startedAt = platform.clock.now();
  const answer = request(platform, command, program);
  const report = answer ?? await arrival(platform, command, before, startedAt);
  if (command.json) print.out(JSON.stringify(report, null, 2));
  else if (report.result === "ok") {
    print.out(
      answer === null
        ? `baton ${report.pid} runs the new program after ${report.durationMs} ms`
        : `baton ${report.pid} has taken over after ${report.durationMs} ms`,
    );
  } else {
    print.error(`upgrade ${report.result}: ${report.reason}`);
    if (report.result === "failed") {
      print.error("the running baton keeps serving; nothing was lost");
    }
  }
  return EXIT_STATUS_OF[report.result];
}

/** @returns null when the connection closed without a reply: the old program is gone */
function request(
  platform: Platform,
  command: UpgradeCommand,
  program: string | null,
): UpgradeReply | null {
  const query = new URLSearchParams();
  if (program !== null) query.set("program", program);
  if (command.inPlace) query.set("in_place", "1");
  try {
    const reply = callService(platform, command, {
      method: "POST",
      path: `/v1/upgrade?${query}`,
      timeoutMs: command.timeoutMs ?? 0,
      showsProgress: true,
    });
    return readReply(UPGRADE_REPLY, "upgrade", reply);
  } catch (error) {
    if (endedWithoutAnswer(error)) return null;
    throw error;
  }
}

/** A path is relative to the current directory; a bare name is searched for in PATH. */
function programAt(exec: string, directory: string): string {
  const program = exec.includes("/") ? resolvePath(directory, exec) : exec;
  if (isText(program)) return program;
  throw new UserError(`Cannot use --exec ${exec}: the path ${program} is not UTF-8`, {
    remedy: "Put the new baton at another path",
  });
}

function status(platform: Platform, command: UpgradeCommand): ServiceReply {
  const request = { method: "GET", path: "/v1/status", timeoutMs: ARRIVAL_MS } as const;
  return readReply(SERVICE_REPLY, "upgrade", callService(platform, command, request));
}

/** Waits until the next incarnation answers. @throws {UserError} when none does */
async function arrival(
  platform: Platform,
  command: UpgradeCommand,
  before: ServiceReply,
  startedAt: number,
): Promise<UpgradeReply> {
  const { clock } = platform;
  const deadline = clock.now() + ARRIVAL_MS;
  while (clock.now() < deadline) {
    try {
      const now = status(platform, command);
      // With another process id the old one was killed, and the new one has started by itself.
      if (now.pid !== before.pid || now.incarnation > before.incarnation) {
        const durationMs = Math.round(clock.now() - startedAt);
        return { result: "ok", reason: null, pid: now.pid, durationMs };
      }
    } catch {
      // The new program does not answer yet.
    }
    await sleep(clock, ARRIVAL_LOOK_MS);
  }
  throw new UserError(
    `Cannot tell whether the upgrade succeeded: the old baton (pid ${before.pid}) closed ` +
      `the connection, and no new one has answered within ${ARRIVAL_MS / 1000} s`,
    { status: EXIT_SYSTEM, remedy: 'See "baton status", and the log of baton' },
  );
}
