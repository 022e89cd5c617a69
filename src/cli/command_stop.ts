/** `baton stop`: asks for a graceful stop and waits until baton is gone. */
import { existsSync } from "node:fs";
import { runtimeDirectory, servicePaths } from "../admin/paths.ts";
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import type { Snapshot } from "../supervisor/snapshot.ts";
import type { Command } from "./parse.ts";
import { CommandError } from "./command_error.ts";
import { EXIT_DRAIN_TIMED_OUT, EXIT_OK } from "./exit_status.ts";
import type { Printer } from "./printer.ts";
import { callService } from "./target.ts";

const REQUEST_TIMEOUT_MS = 5_000;
/** Between two looks at the socket of a baton whose process cannot be seen. */
const SOCKET_LOOK_MS = 50;

export async function commandStop(
  platform: Platform,
  command: Extract<Command, { verb: "stop" }>,
  print: Printer,
): Promise<number> {
  const ask = { timeoutMs: REQUEST_TIMEOUT_MS } as const;
  const status = callService(platform, command, { method: "GET", path: "/v1/status", ...ask });
  const { name, pid } = status.body as Snapshot;
  const uid = platform.processes.userId();
  const directory = runtimeDirectory(command.runtimeDir, platform.runtime.env(), uid);
  const { socket } = servicePaths(directory, name);
  // The id in the status is baton's own view, and another process here if baton is in a container.
  using pidfd = status.peerPid > 0 ? platform.processes.openPidfd(status.peerPid) : null;
  callService(platform, { ...command, name }, { method: "POST", path: "/v1/stop", ...ask });
  const ended = pidfd === null ? whenGone(socket) : whenEnded(platform, pidfd);
  const outcome = command.timeoutMs === null
    ? await ended
    : await Promise.race([ended, timeout(command.timeoutMs)]);
  if (outcome === "ended") {
    print.out(`${name} has stopped`);
    return EXIT_OK;
  }
  throw new CommandError(
    EXIT_DRAIN_TIMED_OUT,
    `Cannot wait any longer for "${name}" (pid ${pid}) to stop`,
    existsSync(socket) ? `Shorten its waits by asking again: baton stop ${name}` : null,
  );
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
