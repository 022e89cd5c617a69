/**
 * `baton run`: takes the name, starts the supervisor, turns signals into its events, and gives back
 * the exit status. Whatever is refused here is refused before anything was started.
 */
import type { Config } from "../config/config.ts";
import { presetForCommand } from "../config/presets.ts";
import { controlApp } from "../admin/app.ts";
import type { ProbeServer } from "../admin/probe_server.ts";
import { ControlServer } from "../admin/control_server.ts";
import {
  checkPathLength,
  prepareDirectory,
  runtimeDirectory,
  servicePaths,
  takeLock,
} from "../admin/paths.ts";
import type { ServicePaths } from "../admin/paths.ts";
import { Adopter } from "../handoff/adopt.ts";
import { Inheritor } from "../handoff/inherit.ts";
import { addResidents } from "../handoff/resident.ts";
import type { ResidentSocket } from "../handoff/resident.ts";
import type { Logger } from "../log/logger.ts";
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import { exists } from "../platform/proc.ts";
import { Listeners } from "../steering/listeners.ts";
import { Children } from "../supervisor/children.ts";
import { ServiceManager } from "../supervisor/service_manager.ts";
import { GracefulService } from "../supervisor/graceful_service.ts";
import { Supervisor } from "../supervisor/supervisor.ts";
import { NotifyClient } from "../systemd/notify_client.ts";
import { claimHeritage, usable } from "../upgrade/heritage.ts";
import type { Heritage } from "../upgrade/heritage.ts";
import { Keeper } from "../upgrade/keeper.ts";
import { findInPlace, IN_PLACE_ENV } from "../upgrade/in_place.ts";
import type { Resumption } from "../upgrade/in_place.ts";
import { CONTROL, LOCK } from "../upgrade/resume_state.ts";
import type { Surroundings } from "../upgrade/resume_state.ts";
import { HANDOVER_ENV } from "../upgrade/protocol.ts";
import { findPredecessor } from "../upgrade/predecessor.ts";
import type { Predecessor } from "../upgrade/predecessor.ts";
import { activate } from "./activation.ts";
import type { Taker } from "../takeover/taker.ts";
import { chooseTrap } from "./choose_trap.ts";
import { CommandError } from "./command_error.ts";
import { EXIT_BUSY } from "./exit_status.ts";
import { Pidfile } from "./pidfile.ts";
import { openProbes, podSetup, watchPaths } from "./pod_setup.ts";
import type { PodSetup } from "./pod_setup.ts";
import { openLogger, programOf, standardInput } from "./preparation.ts";
import { handleSignals } from "./signals.ts";
import { explainHandoffSocket, takeOver } from "./takeover.ts";
import { VERSION } from "./version.ts";
import { leaveDirectory, surroundingsOf } from "./working_directory.ts";

/** @returns the status to exit with, when everything is over */
export async function commandRun(platform: Platform, config: Config): Promise<number> {
  const inPlace = findInPlace(platform);
  const predecessor = findPredecessor(platform, VERSION);
  try {
    return await run(platform, config, { predecessor, inPlace });
  } catch (error) {
    predecessor?.saysFailed(error instanceof Error ? error.message : String(error));
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
  const surroundings = inPlace?.state.surroundings ?? surroundingsOf(platform, env, given);
  const activation = activate(platform, given, env);
  const config = leaveDirectory(platform, activation.config, surroundings);
  const directory = runtimeDirectory(config.runtimeDir, env, uid);
  const paths = servicePaths(directory, config.name);
  checkPathLength(directory, paths);
  prepareDirectory(directory, uid);
  const traps = inPlace?.state.traps ?? chooseTrap(platform, config);
  const logger = openLogger(platform, config);
  const pod = podSetup(config, env, config.drainTimeMs + config.stopTimeMs, logger);
  if (!traps && config.handoff === "auto") {
    logger.warn('only the sockets of --listen are handed over here: "baton doctor" says why');
  }
  const pidfile = config.pidfile === null
    ? null
    : new Pidfile(config.pidfile, platform.runtime.pid);
  const isFirst = predecessor === null && inPlace === null;
  const kept = inPlace?.kept.take(LOCK) ?? null;
  const free = isFirst ? takeLock(platform, paths.lock) : null;
  // Who holds for the next baton waits for whoever has the name.
  const heritage = kept ?? free ? claimHeritage(platform, paths.hold) : null;
  // In place all of it came with the exec; the holder is only to be told so.
  if (inPlace !== null) heritage?.resumption.kept.close();
  const taker = isFirst && heritage === null ? await takeOver(platform, config, logger) : null;
  const own = kept ?? free ?? null;
  const lock = own ?? predecessor?.lock ?? taker?.takeLock(paths.lock) ?? null;
  try {
    if (lock === null) {
      throw new CommandError(
        EXIT_BUSY,
        `Cannot run "${config.name}": a baton with this name is running already`,
        `Reload it: baton reload ${config.name}; or choose another name: --name`,
      );
    }
    const ownsNames = own !== null;
    if (ownsNames) pidfile?.take();
    return await supervise({
      ...{ platform, config, env, paths, surroundings, traps, logger, pod, lock, pidfile },
      ...{ predecessor, taker, ownsNames, heritage },
      resumption: inPlace ?? usable(platform, heritage),
      residents: activation.sockets,
    });
  } catch (error) {
    taker?.saysFailed(error instanceof Error ? error.message : String(error));
    throw error;
  } finally {
    pidfile?.remove();
    taker?.close();
    lock?.close();
    await platform.close();
  }
}

interface RunParts {
  readonly platform: Platform;
  readonly config: Config;
  readonly env: Record<string, string>;
  readonly paths: ServicePaths;
  readonly surroundings: Surroundings;
  /** bind and listen of servers are trapped. */
  readonly traps: boolean;
  readonly logger: Logger;
  readonly pod: PodSetup;
  readonly lock: Fd;
  readonly pidfile: Pidfile | null;
  readonly predecessor: Predecessor | null;
  readonly resumption: Resumption | null;
  /** Somebody holds what the baton before has left, until it is taken. */
  readonly heritage: Heritage | null;
  readonly taker: Taker | null;
  /** No other baton has the name, and so its control socket and pidfile. */
  readonly ownsNames: boolean;
  /** Listening sockets of the service manager. */
  readonly residents: readonly ResidentSocket[];
}

async function supervise(parts: RunParts): Promise<number> {
  const { platform, config, env, paths, logger, surroundings } = parts;
  const { predecessor, resumption, heritage, taker, ownsNames, pidfile } = parts;
  const [program = "", ...prefix] = programOf(platform);
  const preset = presetForCommand(config.command);
  const { promise: finished, resolve: onFinish } = Promise.withResolvers<number>();
  const listeners = new Listeners(platform.sockets, platform.reactor);
  addResidents(platform, listeners, parts.residents).forEach((notice) => logger.warn(notice));
  const adopter = parts.traps ? new Adopter(platform, listeners) : null;
  const directory = config.cwd ?? "/";
  const children = new Children(platform);
  if (taker !== null && adopter !== null) {
    adopter.onMemberNeeded = (group) => taker.needMember(group);
    taker.onResume = () => adopter.resume();
  }
  // A successor has no socket of its own before it has taken over.
  let control: ControlServer | null = null;
  let keeper: Keeper | null = null;
  const startKeeper = (isNext: boolean) => {
    if (!config.survive) return;
    keeper = new Keeper(platform, {
      path: paths.hold,
      isNext,
      onStarted: (pid) => children.addStranger(pid),
      onGone: () => {
        logger.warn("the holder (--survive) has ended: another one was started");
        supervisor.writeDown();
      },
    });
  };
  const controlListener = resumption?.kept.take(CONTROL) ?? null;
  const manager = new ServiceManager({
    client: new NotifyClient(platform, env["NOTIFY_SOCKET"]),
    readyTimeoutMs: config.readyTimeoutMs,
    stopTimeoutMs: config.drainTimeMs + config.stopTimeMs,
    watchdogUsec: env["WATCHDOG_USEC"],
  });
  let probes: ProbeServer | null = null;
  const openOwnProbes = () => {
    probes = openProbes(platform, parts.pod.probeAddress, () => service.probes());
  };
  const takeNames = () => {
    const temporary = `${paths.socket}.${platform.runtime.pid}`;
    control = new ControlServer(platform, temporary, controlApp(service).fetch);
    control.moveTo(paths.socket);
    pidfile?.takeOver();
    startKeeper(true);
  };
  const supervisor: Supervisor = new Supervisor({
    context: {
      platform,
      config,
      preset,
      children,
      listeners,
      adopter,
      stdin: standardInput(platform),
    },
    plan: {
      config,
      env,
      directory,
      pid: platform.runtime.pid,
      trap: adopter?.trap ?? [],
      fileLimit: surroundings.fileLimit,
    },
    inheritor: new Inheritor(platform, listeners, config.listen, config.backlog),
    logger,
    version: VERSION,
    manager,
    notifyPath: (epoch) => paths.notify(epoch),
    upgrade: { program, prefix, env, directory: surroundings.directory, lock: parts.lock },
    predecessor: predecessor ?? taker,
    handoffIsShared: predecessor !== null ||
      (taker !== null && config.takeover === config.handoffSocket),
    resumption,
    surroundings,
    door: () => control,
    keeper: () => keeper,
    onTakenOver: () => {
      if (ownsNames) return;
      takeNames();
      openOwnProbes();
    },
    onPredecessorGone: () => {
      if (!ownsNames) pidfile?.forgetOld();
      manager.becomeMain();
    },
    onTakenBack: () => {
      if (control?.isInPlace) return;
      control?.close();
      takeNames();
      pidfile?.forgetOld();
    },
    onFinish,
  });
  const service: GracefulService = new GracefulService({
    supervisor,
    platform,
    config,
    logger,
    minDrainMs: parts.pod.minDrainMs,
    inPod: parts.pod.inPod,
    exceptPort: parts.pod.probeAddress?.port ?? null,
    ports: () => listeners.groups.map((group) => group.address.port),
    probesAccepted: () => probes?.accepted ?? 0,
  });
  // After the start baton never ends because of an error of its own: it says so, and goes on.
  const onError = (error: unknown) => {
    logger.error(`internal error: ${error instanceof Error ? error.stack : String(error)}`);
  };
  platform.reactor.onError = onError;
  platform.runtime.onUncaught(onError);
  if (ownsNames) startKeeper(heritage !== null);
  const { ignoresHangup } = surroundings;
  const stopSignals = handleSignals({
    platform,
    config,
    preset,
    supervisor: service,
    logger,
    ignoresHangup,
  });
  resumption?.listensNow();
  if (ownsNames) {
    const kept = exists(paths.socket) ? controlListener : null;
    control = new ControlServer(platform, paths.socket, controlApp(service).fetch, kept);
    openOwnProbes();
  }
  const verb = resumption === null ? "runs" : "goes on with";
  logger.info(`baton ${VERSION} ${verb} ${config.command.join(" ")}`, {
    pid: platform.runtime.pid,
  });
  explainHandoffSocket(() => supervisor.start());
  heritage?.taken();
  const watching = watchPaths(
    { platform, config, logger, directory: surroundings.directory },
    () => void service.reload(),
  );
  const status = await finished;
  (control as ControlServer | null)?.close();
  (probes as ProbeServer | null)?.close();
  stopSignals();
  watching?.close();
  logger.info("everything has ended", { status });
  return status;
}
