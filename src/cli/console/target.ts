/** Finds the running baton that a command addresses, and calls it. */
import { UserError } from "../../config/values/errors.ts";
import { callControl, ControlError, type ControlRequest } from "../../admin/client.ts";
import { lockHolder } from "../../admin/name_lock.ts";
import { reachableServices, type ServicePaths, servicePaths } from "../../admin/paths.ts";
import type { Platform } from "../../platform/platform.ts";
import type { Target } from "../words/words.ts";
import { progressView, showing } from "./progress_view.ts";
import { EXIT_DRAIN_TIMED_OUT, EXIT_SYSTEM, EXIT_USAGE } from "./exit_status.ts";

/** @throws {UserError} when no baton answers, or several could be meant */
export function callService(
  platform: Platform,
  target: Target,
  request: ControlRequest & { readonly showsProgress?: true },
): { readonly body: unknown; readonly peerPid: number } {
  return withService(platform, target, ({ socket }, name) => {
    const progress = request.showsProgress ? progressView(platform) : null;
    const meanwhile = progress && showing(platform, socket, progress);
    try {
      const { body, peerPid } = callControl(platform, socket, {
        ...request,
        ...meanwhile && { meanwhile },
      });
      return { body: JSON.parse(body), peerPid };
    } catch (error) {
      if (!(error instanceof ControlError) || error.kind !== "timed_out") throw error;
      throw request.method === "POST" ? tooLate(name, error) : error;
    } finally {
      progress?.clear();
    }
  });
}

/** Calls `use` with the paths of the service that is meant. @throws {UserError} when no baton answers it */
export function withService<T>(
  platform: Platform,
  target: Target,
  use: (paths: ServicePaths, name: string) => T,
): T {
  const { directory: asked, names, placeOf, running } = reachableServices(
    platform,
    target.runtimeDir,
  );
  const name = target.name ?? onlyService(asked, names, running);
  const directory = placeOf(name);
  const paths = servicePaths(directory, name);
  const { socket, lock } = paths;
  try {
    return use(paths, name);
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new UserError(`Cannot understand the reply at ${socket}: it is not JSON`, {
        status: EXIT_SYSTEM,
      });
    }
    if (!(error instanceof ControlError)) throw error;
    const status = error.kind === "timed_out" ? EXIT_DRAIN_TIMED_OUT : EXIT_SYSTEM;
    const unreachable = (why: string, remedy: string | null) =>
      new UserError(`Cannot reach "${name}": ${why}`, { status, remedy, cause: error });
    if (error.kind !== "absent") throw unreachable(error.message, null);
    const holder = lockHolder(platform, lock);
    if (holder !== null) {
      throw unreachable(
        `${error.message}, but its baton is running (pid ${holder})`,
        `It recreates the socket when it can: its log says what is wrong with ${directory}. ` +
          `Signals work: kill -HUP ${holder} reloads, kill -TERM ${holder} stops`,
      );
    }
    const others = running().filter((other) => other !== name);
    throw unreachable(
      error.message,
      others.length > 0
        ? `Services in ${directory}: ${others.join(", ")}`
        : `Start it with: baton run --name ${name} -- PROGRAM`,
    );
  }
}

/** The error of a wait that is over, although the baton has the request. */
function tooLate(name: string, cause: Error): UserError {
  return new UserError(`Cannot wait any longer for "${name}": ${cause.message}`, {
    status: EXIT_DRAIN_TIMED_OUT,
    remedy: `What it was asked for continues; the outcome: baton status ${name}`,
    cause,
  });
}

/** Whether `callService` failed because the connection closed before the reply arrived. */
export function endedWithoutAnswer(error: unknown): boolean {
  return error instanceof UserError && error.cause instanceof ControlError &&
    error.cause.kind === "broken";
}

/** @param living those of `services` that answer; a single service is returned without that check */
function onlyService(
  directory: string,
  services: readonly string[],
  living: () => readonly string[],
): string {
  const candidates = services.length > 1 ? living() : services;
  const [only] = candidates;
  if (only !== undefined && candidates.length === 1) return only;
  if (only === undefined) {
    const why = services.length > 1
      ? `nothing listens at the control sockets of ${services.join(", ")}`
      : `no control socket in ${directory}`;
    throw new UserError(`Cannot find a running baton: ${why}`, {
      status: EXIT_SYSTEM,
      remedy: "Start one with: baton run -- PROGRAM; or give its directory with --runtime-dir",
    });
  }
  throw new UserError(`Cannot tell which service is meant: ${candidates.join(", ")} are running`, {
    status: EXIT_USAGE,
    remedy: `Put the name of one behind the command: baton COMMAND ${only}`,
  });
}
