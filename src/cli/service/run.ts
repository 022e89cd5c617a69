/**
 * `baton run`: from the configuration to the exit status. Whatever is refused is refused before a server starts.
 *
 *   origin.ts              who started this process
 *   service_setup.ts       configuration, paths, log, budget
 *   start_mode.ts          fresh, recovered, in-place, upgrade-child or takeover; the lock on the name
 *   generation_context.ts  what all generations share
 *   make_service.ts        supervisor, endpoints.ts, service manager
 *   signals.ts             what each signal means
 */
import type { ConfigSource } from "../../config/load.ts";
import { flushOutputs } from "../../output/own_output.ts";
import { errorText } from "../../platform/error.ts";
import type { Platform } from "../../platform/platform.ts";
import { type PathWatch, watchPaths } from "../../pod/path_watch.ts";
import { HandoffSocketError } from "../../succession/takeover/handoff_socket.ts";
import { UserError } from "../../config/values/errors.ts";
import { EXIT_BUSY, EXIT_USAGE } from "../console/exit_status.ts";
import { VERSION } from "../console/version.ts";
import { makeService } from "./make_service.ts";
import { findOrigin } from "./origin.ts";
import { keepSmall, surviveErrors, tolerate } from "./process_setup.ts";
import { type ServiceSetup, setUpService } from "./service_setup.ts";
import { handleSignals } from "./signals.ts";
import { findStartMode, predecessorOf, type StartMode } from "./start_mode.ts";

/** How long baton waits at exit for a slow reader of its output. */
const SLOW_READER_MS = 2_000;

/** @returns the status to exit with, after the last server has exited */
export async function commandRun(platform: Platform, source: ConfigSource): Promise<number> {
  const origin = findOrigin(platform);
  let predecessor = predecessorOf(origin);
  try {
    const setup = await setUpService(platform, source, origin);
    const mode = await findStartMode(setup, origin);
    predecessor = predecessorOf(mode);
    return await run(setup, mode);
  } catch (error) {
    predecessor?.reportFailure(errorText(error));
    throw error;
  } finally {
    predecessor?.close();
    flushOutputs(platform, SLOW_READER_MS);
    await platform.close();
  }
}

async function run(setup: ServiceSetup, mode: StartMode): Promise<number> {
  const { platform, config, logger } = setup;
  const { context, supervisor, pod, endpoints, events, otlp } = makeService(setup, mode);
  const resumption = mode.resumption;
  const isRunning = mode.kind === "in-place";
  surviveErrors(platform, logger);
  const removeHandlers = handleSignals(setup, context, { supervisor, pod });
  let watch = null as PathWatch | null;
  try {
    resumption?.releaseSignals();
    endpoints.open();
    if (predecessorOf(mode) === null) events.begin();
    const verb = resumption === null ? "runs" : "resumes";
    const { pid } = platform.runtime;
    logger.info(`baton ${VERSION} ${verb} ${config.command.join(" ")}`, { pid });
    tolerate(isRunning, logger, () => {
      watch = watchPaths(setup, () => void supervisor.reload());
    });
    tolerate(isRunning, logger, () => explainHandoffSocket(() => supervisor.start()));
    mode.recovered?.acknowledge();
    if (mode.ownsName) {
      endpoints.guard();
      otlp?.start();
    }
    keepSmall(platform);
    return await endpoints.serveUntilExit();
  } finally {
    watch?.close();
    removeHandlers();
    events.close(endpoints.control?.isInPlace ?? false);
    endpoints.close();
  }
}

/** @throws {UserError} when --handoff-socket cannot be used */
function explainHandoffSocket(start: () => void): void {
  try {
    start();
  } catch (error) {
    if (!(error instanceof HandoffSocketError)) throw error;
    const { message, remedy } = error;
    throw new UserError(message, { status: error.isBusy ? EXIT_BUSY : EXIT_USAGE, remedy });
  }
}
