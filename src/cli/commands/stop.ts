/** `baton stop`: requests a graceful stop, waits until baton has exited, and reports how the service has ended. */
import { UserError } from "../../config/values/errors.ts";
import { existsSync } from "node:fs";
import { reachableServices, servicePaths } from "../../admin/paths.ts";
import { type Clock, sleep } from "../../platform/clock.ts";
import type { Fd } from "../../platform/fd.ts";
import type { Platform } from "../../platform/platform.ts";
import { killedText, leftText } from "../../report/killed_processes.ts";
import type { ServiceCommand } from "../words/words.ts";
import { EXIT_DRAIN_TIMED_OUT, EXIT_OK, EXIT_SYSTEM } from "../console/exit_status.ts";
import type { Printer } from "../console/printer.ts";
import { SERVICE_REPLY, STOP_REPLY, type StopReply } from "../../admin/replies.ts";
import { readReply } from "../console/replies.ts";
import { callService, endedWithoutAnswer } from "../console/target.ts";

const REQUEST_TIMEOUT_MS = 5_000;
/** Between two checks of the socket of a baton whose process is invisible here. */
const SOCKET_LOOK_MS = 50;

export async function commandStop(
  platform: Platform,
  command: ServiceCommand,
  print: Printer,
): Promise<number> {
  const { clock } = platform;
  const startedAtMs = clock.now();
  const status = callService(platform, command, {
    method: "GET",
    path: "/v1/status",
    timeoutMs: REQUEST_TIMEOUT_MS,
  });
  const { name, pid } = readReply(SERVICE_REPLY, "stop", status);
  const { placeOf } = reachableServices(platform, command.runtimeDir);
  const { socket } = servicePaths(placeOf(name), name);
  const tooLate = () =>
    new UserError(`Cannot wait any longer for "${name}" (pid ${pid}) to stop`, {
      status: EXIT_DRAIN_TIMED_OUT,
      remedy: existsSync(socket) ? `Shorten its waits with another: baton stop ${name}` : null,
    });
  // The id in the status is baton's own view: in a container, it is another process here.
  using pidfd = status.peerPid > 0 ? platform.processes.openPidfd(status.peerPid) : null;
  const report = askToStop(platform, { ...command, name }, tooLate);
  const exited = pidfd === null ? whenSocketGone(clock, socket) : whenExited(platform, pidfd);
  const restMs = Math.max(0, (command.timeoutMs ?? 0) - (clock.now() - startedAtMs));
  if (command.timeoutMs === null) await exited;
  else if (await Promise.race([exited, sleep(clock, restMs)]) !== "exited") throw tooLate();
  if (report === "unknown") {
    throw new UserError(
      `Cannot tell how "${name}" has ended: its baton (pid ${pid}) exited without a reply`,
      {
        status: EXIT_SYSTEM,
        remedy: "It was killed, or has crashed: see the end of its log",
      },
    );
  }
  return printOutcome(name, report, print);
}

/** @returns "unknown" when baton exited without a reply */
function askToStop(
  platform: Platform,
  command: ServiceCommand & { readonly name: string },
  tooLate: () => UserError,
): StopReply | "unknown" {
  try {
    const reply = callService(platform, command, {
      method: "POST",
      path: "/v1/stop?wait=1",
      // A time-out of 0 would mean no limit.
      timeoutMs: command.timeoutMs === null ? 0 : Math.max(1, command.timeoutMs),
      showsProgress: true,
    });
    return readReply(STOP_REPLY, "stop", reply);
  } catch (error) {
    if (endedWithoutAnswer(error)) return "unknown";
    const isLate = error instanceof UserError && error.status === EXIT_DRAIN_TIMED_OUT;
    throw isLate ? tooLate() : error;
  }
}

function printOutcome(
  name: string,
  { status, killed, left, cut }: StopReply,
  print: Printer,
): number {
  const cutText = cut === 1 ? "1 connection was cut" : `${cut} connections were cut`;
  const parts = [
    killed.length > 0 ? `${name} was ${killedText(killed)}` : `${name} has stopped`,
    ...(cut > 0 ? [cutText] : []),
  ];
  const alive = left.length > 0 ? [leftText(left)] : [];
  if (status !== EXIT_DRAIN_TIMED_OUT) {
    if (status !== EXIT_OK) parts.push(`its server exited with status ${status}`);
    parts.push(...alive);
    print.out(parts.join("; "));
    return EXIT_OK;
  }
  const option = killed.length > 0 ? "--stop-time" : "--drain-time";
  const remedy = `Give it more time with ${option}; its log says what it was waiting for`;
  throw new UserError([...parts, ...alive].join("; "), { status: EXIT_DRAIN_TIMED_OUT, remedy });
}

function whenExited({ reactor }: Platform, pidfd: Fd): Promise<"exited"> {
  return new Promise((resolve) => {
    const watch = reactor.watch(pidfd, () => {
      watch.cancel();
      resolve("exited");
    });
  });
}

/** baton removes its control socket last. */
async function whenSocketGone(clock: Clock, socket: string): Promise<"exited"> {
  while (existsSync(socket)) {
    await sleep(clock, SOCKET_LOOK_MS);
  }
  return "exited";
}
