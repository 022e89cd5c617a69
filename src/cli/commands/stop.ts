/** `baton stop`: asks for a graceful stop, waits until baton is gone, and tells how the service has ended. */
import { UserError } from "../../config/values/errors.ts";
import { existsSync } from "node:fs";
import { runtimeDirectory, servicePaths } from "../../admin/paths.ts";
import type { Fd } from "../../platform/fd.ts";
import type { Platform } from "../../platform/platform.ts";
import { killedText } from "../../report/killed_processes.ts";
import type { Snapshot, StopReport } from "../../report/snapshot.ts";
import type { Command } from "../words/parse.ts";
import { EXIT_DRAIN_TIMED_OUT, EXIT_OK, EXIT_SYSTEM } from "../console/exit_status.ts";
import type { Printer } from "../console/printer.ts";
import { callService, endedWithoutAnswer } from "../console/target.ts";

const REQUEST_TIMEOUT_MS = 5_000;
/** Between two looks at the socket of a baton whose process cannot be seen. */
const SOCKET_LOOK_MS = 50;
const HTTP_OK = 200;

type StopCommand = Extract<Command, { verb: "stop" }>;

export async function commandStop(
  platform: Platform,
  command: StopCommand,
  print: Printer,
): Promise<number> {
  const startedAtMs = performance.now();
  const status = callService(platform, command, {
    method: "GET",
    path: "/v1/status",
    timeoutMs: REQUEST_TIMEOUT_MS,
  });
  const { name, pid } = status.body as Snapshot;
  const uid = platform.processes.userId();
  const directory = runtimeDirectory(command.runtimeDir, platform.runtime.env(), uid);
  const { socket } = servicePaths(directory, name);
  const tooLate = () =>
    new UserError(`Cannot wait any longer for "${name}" (pid ${pid}) to stop`, {
      status: EXIT_DRAIN_TIMED_OUT,
      remedy: existsSync(socket) ? `Shorten its waits by asking again: baton stop ${name}` : null,
    });
  // The id in the status is baton's own view, and another process here if baton is in a container.
  using pidfd = status.peerPid > 0 ? platform.processes.openPidfd(status.peerPid) : null;
  const report = askToStop(platform, { ...command, name }, tooLate);
  const ended = pidfd === null ? whenGone(socket) : whenEnded(platform, pidfd);
  const restMs = Math.max(0, (command.timeoutMs ?? 0) - (performance.now() - startedAtMs));
  const outcome = command.timeoutMs === null
    ? await ended
    : await Promise.race([ended, timeout(restMs)]);
  if (outcome === "timed_out") throw tooLate();
  if (report === "unknown") {
    throw new UserError(
      `Cannot tell how "${name}" has ended: its baton (pid ${pid}) ended without a word`,
      {
        status: EXIT_SYSTEM,
        remedy: "It was killed, or has crashed: the end of its log says more",
      },
    );
  }
  return tell(name, report, print);
}

/** @returns null: an older baton, which does not tell; "unknown": it ended without an answer */
function askToStop(
  platform: Platform,
  command: StopCommand & { readonly name: string },
  tooLate: () => UserError,
): StopReport | null | "unknown" {
  try {
    const { status, body } = callService(platform, command, {
      method: "POST",
      path: "/v1/stop?wait=1",
      // 0 would mean no limit.
      timeoutMs: command.timeoutMs === null ? 0 : Math.max(1, command.timeoutMs),
    });
    return status === HTTP_OK ? body as StopReport : null;
  } catch (error) {
    if (endedWithoutAnswer(error)) return "unknown";
    const isLate = error instanceof UserError && error.status === EXIT_DRAIN_TIMED_OUT;
    throw isLate ? tooLate() : error;
  }
}

function tell(name: string, report: StopReport | null, print: Printer): number {
  const { status, killed, cut } = report ?? { status: EXIT_OK, killed: [], cut: 0 };
  const cutText = cut === 1 ? "1 connection was cut" : `${cut} connections were cut`;
  const parts = [
    killed.length > 0 ? `${name} was ${killedText(killed)}` : `${name} has stopped`,
    ...(cut > 0 ? [cutText] : []),
  ];
  if (status !== EXIT_DRAIN_TIMED_OUT) {
    if (status !== EXIT_OK) parts.push(`its server ended with exit status ${status}`);
    print.out(parts.join("; "));
    return EXIT_OK;
  }
  const option = killed.length > 0 ? "--stop-time" : "--drain-time";
  const remedy = `Give it more time with ${option}; its log says what it waited for`;
  throw new UserError(parts.join("; "), { status: EXIT_DRAIN_TIMED_OUT, remedy });
}

function whenEnded(platform: Platform, pidfd: Fd): Promise<"ended"> {
  return new Promise((resolve) => {
    const watch = platform.reactor.watch(pidfd, () => {
      watch.cancel();
      resolve("ended");
    });
  });
}

/** baton removes its control socket last. */
function whenGone(socket: string): Promise<"ended"> {
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      if (existsSync(socket)) return;
      clearInterval(timer);
      resolve("ended");
    }, SOCKET_LOOK_MS);
  });
}

function timeout(delayMs: number): Promise<"timed_out"> {
  return new Promise((resolve) => setTimeout(() => resolve("timed_out"), delayMs));
}
