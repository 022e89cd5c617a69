/**
 * `baton run`: takes the name, starts the supervisor, turns signals into its events, and gives back
 * the exit status. Whatever is refused here is refused before anything was started.
 */
import { longestStartMs, longestStopMs } from "../../config/config.ts";
import { UserError } from "../../config/values/errors.ts";
import type { Resumption } from "../../succession/state/resumption.ts";
import type { Config } from "../../config/config.ts";
import { presetForCommand } from "../../config/presets.ts";
import {
  checkPathLength,
  prepareDirectory,
  runtimeDirectory,
  type ServicePaths,
  servicePaths,
} from "../../admin/paths.ts";
import { NameLock } from "../../admin/name_lock.ts";
import { Adopter } from "../../handoff/adopt.ts";
import { Inheritor } from "../../handoff/inherit.ts";
import { addActivatedSockets, type InheritedSocket } from "../../handoff/activated_sockets.ts";
import type { Logger } from "../../log/logger.ts";
import type { Fd } from "../../platform/fd.ts";
import type { Platform } from "../../platform/platform.ts";
import { Listeners } from "../../steering/listeners.ts";
import { Children } from "../../process/children.ts";
import { Foreground } from "../../process/foreground.ts";
import { ServiceManager } from "../../supervisor/service_manager.ts";
import { GracefulService } from "../../pod/graceful_service.ts";
import type { StopReport } from "../../report/snapshot.ts";
import { Supervisor } from "../../supervisor/supervisor.ts";
import { fdStoreSize } from "../../systemd/fd_store.ts";
import { NotifyClient } from "../../systemd/notify_client.ts";
import type { RecoveredState } from "../../succession/state/recovered_state.ts";
import { findInPlace, IN_PLACE_ENV } from "../../succession/upgrade/in_place.ts";
import { CONTROL, type LaunchContext, LOCK } from "../../succession/state/resume_state.ts";
import { HANDOVER_ENV } from "../../succession/upgrade/protocol.ts";
import { findPredecessor, type Predecessor } from "../../succession/upgrade/predecessor.ts";
import { PredecessorRecovery } from "../../succession/upgrade/predecessor_recovery.ts";
import { activate } from "./socket_activation.ts";
import type { TakeoverClient } from "../../succession/takeover/takeover_client.ts";
import { chooseTrap } from "./choose_trap.ts";
import { refuseEnvoyScript } from "./envoy_script.ts";
import { EXIT_BUSY } from "../console/exit_status.ts";
import { Endpoints } from "./endpoints.ts";
import { Pidfile } from "./pidfile.ts";
import { type PodSetup, podSetup, watchPaths } from "./pod_setup.ts";
import { migrationOf } from "./keep_alive.ts";
import * as preparation from "./process_setup.ts";
import { findInheritedState } from "./inherited_state.ts";
import { handleSignals } from "./signals.ts";
import { explainHandoffSocket, takeOver } from "./find_predecessor.ts";
import { VERSION } from "../console/version.ts";
import { launchContextOf, leaveDirectory } from "./working_directory.ts";
import { errorText } from "../../platform/error.ts";

/** @returns the status to exit with, when everything is over */
export async function commandRun(platform: Platform, config: Config): Promise<number> {
  const inPlace = findInPlace(platform);
  const predecessor = findPredecessor(platform, VERSION);
  try {
    return await run(platform, config, { predecessor, inPlace });
  } catch (error) {
    predecessor?.reportFailure(errorText(error));
    throw error;
  }
}

async function run(
  platform: Platform,
  given: Config,
  { predecessor, inPlace }: Pick<RunParts, "predecessor"> & { inPlace: Resumption | null },
): Promise<number> {
  const uid = platform.processes.userId();
  const env = platform.runtime.env();
  delete env[HANDOVER_ENV];
  delete env[IN_PLACE_ENV];
  const surroundings = inPlace?.state.launchContext ?? launchContextOf(platform, env, given);
  const activation = activate(platform, given, env);
  const config = leaveDirectory(platform, activation.config, surroundings);
  if (inPlace === null) refuseEnvoyScript(config);
  const directory = runtimeDirectory(config.runtimeDir, env, uid);
  const paths = servicePaths(directory, config.name);
  checkPathLength(directory, paths);
  const goesOn = inPlace !== null || predecessor !== null;
  preparation.need(!goesOn, () => prepareDirectory(directory, uid));
  const traps = inPlace?.state.traps ?? chooseTrap(platform, config);
  const isRunning = inPlace !== null;
  const logger = isRunning
    ? preparation.openLoggerInPlace(platform, config)
    : preparation.openLogger(platform, config);
  // The grace period was agreed to at the start: now it is too late to refuse.
  const asked = isRunning ? { ...config, graceMs: null } : config;
  const pod = podSetup(asked, env, longestStopMs(config), logger);
  if (!traps && config.handoff === "auto") {
    logger.warn('only the sockets of --listen are handed over here: "baton doctor" says why');
  }
  const pidfile = config.pidfile === null
    ? null
    : new Pidfile(config.pidfile, platform.runtime.pid);
  const isFirst = predecessor === null && !isRunning;
  const kept = inPlace?.kept.take(LOCK) ?? null;
  const free = isFirst ? NameLock.take(platform, paths.lock, paths.socket) : null;
  const left = findInheritedState(platform, {
    inPlace,
    activated: activation.sockets,
    stored: activation.stored,
    // Who holds for the next baton waits for whoever has the name.
    path: kept ?? free ? paths.hold : null,
  });
  const { recovered: heritage, resumption } = left;
  const taker = isFirst && resumption === null ? await takeOver(platform, config, logger) : null;
  const ownsNames = kept !== null || free !== null;
  const over = (fd: Fd | null) => fd && NameLock.inherit(platform, paths.lock, fd, ownsNames);
  const lock = free ?? over(kept ?? predecessor?.lock ?? taker?.takeLock(paths.lock) ?? null);
  try {
    if (lock === null) {
      const remedy = `Reload it: baton reload ${config.name}; or choose another name: --name`;
      const why = "a baton with this name is already running";
      throw new UserError(`Cannot run "${config.name}": ${why}`, { status: EXIT_BUSY, remedy });
    }
    if (ownsNames) preparation.insist(isRunning, logger, () => pidfile?.take());
    return await supervise({
      ...{ platform, config, env, paths, surroundings, traps, logger, pod, lock, pidfile },
      ...{ predecessor, taker, ownsNames, heritage, resumption },
      stored: left.storedNames,
      // Who takes over gets the old baton's sockets, in its order.
      residents: taker === null ? [...left.activated, ...left.standbySockets] : left.activated,
    });
  } catch (error) {
    taker?.reportFailure(errorText(error));
    throw error;
  } finally {
    pidfile?.remove();
    taker?.close();
    lock?.close();
    preparation.finishOutput(platform);
    await platform.close();
  }
}

interface RunParts {
  readonly platform: Platform;
  readonly config: Config;
  readonly env: Record<string, string>;
  readonly paths: ServicePaths;
  readonly surroundings: LaunchContext;
  /** bind and listen of servers that are started here are trapped. */
  readonly traps: boolean;
  readonly logger: Logger;
  readonly pod: PodSetup;
  readonly lock: NameLock;
  readonly pidfile: Pidfile | null;
  readonly predecessor: Predecessor | null;
  readonly resumption: Resumption | null;
  /** Somebody holds what the baton before has left, until it is taken. */
  readonly heritage: RecoveredState | null;
  readonly taker: TakeoverClient | null;
  /** No other baton has the name, and so its control socket and pidfile. */
  readonly ownsNames: boolean;
  /** Names of what the service manager keeps. */
  readonly stored: readonly string[];
  /** Listening sockets that came with the start. */
  readonly residents: readonly InheritedSocket[];
}

async function supervise(parts: RunParts): Promise<number> {
  const { platform, config, env, paths, logger, surroundings } = parts;
  const { predecessor, resumption, heritage, taker, ownsNames } = parts;
  const [program = "", ...prefix] = preparation.programOf(platform);
  const preset = presetForCommand(config.command);
  const isRunning = resumption?.kind === "in_place";
  const { promise: finished, resolve: onFinish } = Promise.withResolvers<StopReport>();
  const listeners = new Listeners(
    platform.sockets,
    platform.reactor,
    () => supervisor.writeState(),
  );
  addActivatedSockets(platform, listeners, parts.residents).forEach((notice) =>
    logger.warn(notice)
  );
  const adopter = new Adopter(platform, listeners, (group) => taker?.needMember(group));
  const migration = migrationOf(platform, config, { traps: parts.traps, listeners, logger });
  const directory = config.cwd ?? "/";
  const foreground = new Foreground({
    platform,
    leaders: () => children.leaders(),
    isJob: predecessor === null,
    log: (message) => logger.warn(message),
  });
  const children = new Children(platform, (pid, signal) => foreground.onLeaderStopped(pid, signal));
  const client = new NotifyClient(platform, env["NOTIFY_SOCKET"]);
  const keepsSpares = fdStoreSize(env) > 0;
  const names = new Endpoints({
    ...{ platform, config, paths, lock: parts.lock, pidfile: parts.pidfile, logger },
    owned: ownsNames,
    probeAddress: parts.pod.probeAddress,
    isNext: predecessor !== null || taker !== null || resumption !== null,
    store: keepsSpares ? { client, found: parts.stored } : null,
    service: () => service,
    onStarted: (pid) => children.addHelper(pid),
    supervisor: () => supervisor,
  });
  const controlListener = resumption?.kept.take(CONTROL) ?? null;
  const manager = new ServiceManager({
    client,
    clock: platform.clock,
    readyTimeoutMs: longestStartMs(config),
    stopTimeoutMs: longestStopMs(config),
    watchdogUsec: env["WATCHDOG_USEC"],
  });
  const supervisor: Supervisor = new Supervisor({
    context: {
      platform,
      config,
      preset,
      children,
      listeners,
      adopter,
      migration,
      foreground,
    },
    plan: {
      config,
      env,
      directory,
      pid: platform.runtime.pid,
      trap: parts.traps ? adopter.trap : [],
      fileLimit: surroundings.fileLimit,
      at: platform.files.at,
    },
    inheritor: new Inheritor(platform, listeners, config.listen, config.backlog),
    logger,
    version: VERSION,
    manager,
    notifyPath: (epoch) => paths.notify(epoch),
    upgrade: { program, prefix, env, directory: surroundings.directory, lock: parts.lock.fd },
    predecessor: predecessor ?? taker,
    predecessorRecovery: ownsNames
      ? null
      : new PredecessorRecovery(platform, paths.hold, predecessor?.state ?? null),
    handoffIsShared: predecessor !== null ||
      (taker !== null && config.takeover === config.handoffSocket),
    resumption,
    launchContext: surroundings,
    controlDoor: () => names.control,
    stateWriter: () => names.stateWriter,
    keepsStandbySockets: keepsSpares,
    onTakenOver: () => names.takeFromPredecessor(),
    onPredecessorGone: () => {
      names.onPredecessorGone();
      manager.becomeMain();
    },
    onTakenBack: () => names.takeBackFromSuccessor(),
    onFinish,
  });
  const service: GracefulService = new GracefulService({
    supervisor,
    platform,
    config,
    logger,
    finished,
    minDrainMs: parts.pod.minDrainMs,
    inPod: parts.pod.inPod,
    exceptPort: parts.pod.probeAddress?.port ?? null,
    ports: () => listeners.groups.map((group) => group.address.port),
    probesAccepted: () => names.probesAccepted,
  });
  preparation.surviveErrors(platform, logger);
  if (ownsNames) names.startStateWriter(heritage !== null);
  const { ignoresHangup } = surroundings;
  const stopSignals = handleSignals({
    ...{ platform, config, preset, logger, ignoresHangup, foreground },
    supervisor: service,
  });
  let watching: ReturnType<typeof watchPaths> = null;
  let status: number;
  try {
    resumption?.listensNow();
    if (ownsNames) names.open(controlListener, isRunning);
    const verb = resumption === null ? "runs" : "goes on with";
    logger.info(`baton ${VERSION} ${verb} ${config.command.join(" ")}`, {
      pid: platform.runtime.pid,
    });
    preparation.insist(isRunning, logger, () => explainHandoffSocket(() => supervisor.start()));
    heritage?.acknowledge();
    if (ownsNames) names.guard();
    watching = watchPaths(
      { platform, config, logger, directory: surroundings.directory },
      () => void service.reload(),
    );
    ({ status } = await finished);
    await names.farewell();
  } finally {
    names.close();
    stopSignals();
    watching?.close();
  }
  logger.info("everything has ended", { status });
  return status;
}
