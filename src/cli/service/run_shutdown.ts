/**
 * `baton run --shutdown-only`: the main process of a container, which ends its server well.
 *
 * Handlers for signals come first: as process 1 baton would otherwise lose a TERM that comes early. A
 * directory for the control socket is nice to have: without one baton serves on.
 */
import { lostDescriptors, shutdownPlan } from "../../process/launch_plan.ts";
import { UserError } from "../../config/values/errors.ts";
import {
  isStopping,
  SIGNAL_NAMES,
  type SignalName,
  signalNumber,
  STOP_SIGNALS,
} from "../../config/values/signals.ts";
import { dirname } from "node:path";
import { controlApp } from "../../admin/app.ts";
import { ControlServer } from "../../admin/control_server.ts";
import type { ProbeServer } from "../../admin/probe_server.ts";
import {
  checkPathLength,
  prepareDirectory,
  runtimeDirectory,
  type ServicePaths,
  servicePaths,
} from "../../admin/paths.ts";
import { NameLock } from "../../admin/name_lock.ts";
import { RuntimeGuard } from "../../admin/runtime_guard.ts";
import type { Config } from "../../config/config.ts";
import { presetForCommand } from "../../config/presets.ts";
import type { Logger } from "../../log/logger.ts";
import type { Platform } from "../../platform/platform.ts";
import { ShutdownService } from "../../pod/shutdown_service.ts";
import { StopRequests } from "./stop_requests.ts";
import { openLogger, surviveErrors } from "./process_setup.ts";
import { EXIT_BUSY } from "../console/exit_status.ts";
import { catchStopOn, hasTerminal, stopAt, stopSignalsOf } from "./signals.ts";
import { controlFixture, lockFixture, pidfileFixture } from "./guarded_paths.ts";
import { Pidfile } from "./pidfile.ts";
import { openProbes, podSetup } from "./pod_setup.ts";
import { VERSION } from "../console/version.ts";
import { launchContextOf, leaveDirectory } from "./working_directory.ts";

/**
 * Meant for the process that gets them: faults, its own children, pipes; or they cannot be handled.
 * Bun keeps PWR for its garbage collector, which stops threads with it: no handler is ever called.
 */
const KEPT = [
  ...["SIGKILL", "SIGSTOP", "SIGCHLD", "SIGPIPE", "SIGSTKFLT", "SIGPWR"],
  ...["SIGILL", "SIGTRAP", "SIGBUS", "SIGFPE", "SIGSEGV", "SIGSYS"],
];

/** Signals that the server gets when baton gets them. */
const FORWARDED = SIGNAL_NAMES.filter((name) => !isStopping(name) && !KEPT.includes(name));

/** @returns the status to exit with, when everything is over */
export async function commandRunShutdown(platform: Platform, given: Config): Promise<number> {
  const early: SignalName[] = [];
  let onSignal: (signal: SignalName) => void = (signal) => early.push(signal);
  // The server gets USR1 and WINCH: what an image has for its STOPSIGNAL, its server knows.
  const forwards = { usr1: true, winch: true };
  const uses = { logFile: given.logFile, forwards, hasTerminal: hasTerminal() };
  const stopOn = stopSignalsOf(platform, given, uses);
  const handled = [...STOP_SIGNALS, ...FORWARDED.filter((name) => !stopOn.includes(name))];
  const removers = [
    ...catchStopOn(platform, stopOn, (signal) => onSignal(signal)),
    ...handled.map((signal) => platform.runtime.onSignal(signal, () => onSignal(signal))),
  ];
  const env = platform.runtime.env();
  const surroundings = launchContextOf(platform, env, given);
  const config = leaveDirectory(platform, given, surroundings);
  const logger = openLogger(platform, config);
  const pod = podSetup(config, env, config.maxDrainMs, logger);
  const control = controlPaths(platform, config, env, logger);
  const pidfile = config.pidfile === null
    ? null
    : new Pidfile(config.pidfile, platform.runtime.pid);
  let probes: ProbeServer | null = null;
  let server: ControlServer | null = null;
  let guard: RuntimeGuard | null = null;
  const service: ShutdownService = new ShutdownService({
    platform,
    config,
    preset: presetForCommand(config.command),
    plan: shutdownPlan({
      config,
      env,
      directory: config.cwd ?? "/",
      pid: platform.runtime.pid,
      trap: [],
      fileLimit: surroundings.fileLimit,
      at: platform.files.at,
    }),
    logger,
    version: VERSION,
    minDrainMs: pod.minDrainMs,
    inPod: pod.inPod,
    probePort: pod.probeAddress?.port ?? null,
    probesAccepted: () => probes?.accepted ?? 0,
  });
  surviveErrors(platform, logger);
  try {
    pidfile?.take();
    probes = openProbes(platform, pod.probeAddress, () => service.probes(), false);
    if (control !== null) {
      server = new ControlServer(platform, control.paths.socket, controlApp(service).fetch);
    }
    logger.info(`baton ${VERSION} runs ${config.command.join(" ")}`, {
      pid: platform.runtime.pid,
    });
    const targets = { service, config, logger, wishes: new StopRequests(), stopOn };
    onSignal = (signal) => handle(signal, targets);
    service.start();
    for (const hint of lostDescriptors({ argv: config.command, members: 0 })) {
      logger.warn(`the server may fail: ${hint}`);
    }
    if (control !== null) guard = guardOf(platform, { ...control, server, pidfile, logger });
    for (const signal of early) onSignal(signal);
    const { status } = await service.finished;
    await server?.answerRemainingClients();
    logger.info("everything has ended", { status });
    return status;
  } finally {
    guard?.close();
    probes?.close();
    server?.close();
    removers.forEach((remove) => remove());
    pidfile?.remove();
    control?.lock.close();
    await platform.close();
  }
}

interface Guarded {
  readonly paths: ServicePaths;
  readonly lock: NameLock;
  readonly server: ControlServer | null;
  readonly pidfile: Pidfile | null;
  readonly logger: Logger;
}

function guardOf(
  platform: Platform,
  { paths, lock, server, pidfile, logger }: Guarded,
): RuntimeGuard {
  const control = controlFixture(platform, paths.socket, lock, {
    current: () => server,
    open: () => {},
  });
  return new RuntimeGuard(platform, {
    directory: dirname(paths.lock),
    paths: () => [lockFixture(lock), control, ...pidfile === null ? [] : [pidfileFixture(pidfile)]],
    log: logger,
    onRestored: () => {},
  });
}

interface Targets {
  readonly service: ShutdownService;
  readonly config: Config;
  readonly logger: Logger;
  readonly wishes: StopRequests;
  readonly stopOn: readonly SignalName[];
}

function handle(signal: SignalName, targets: Targets): void {
  const { service, config, logger, stopOn } = targets;
  if (isStopping(signal)) return stopAt(signal, targets);
  if (stopOn.includes(signal)) {
    logger.info(`${signal}: stop`);
    return service.stop();
  }
  if (signal === "SIGTSTP" && service.foreground.suspend()) return;
  if (signal === "SIGUSR1") {
    logger.reopen();
    if (config.usr1 === "ignore") return;
  }
  service.forward(signalNumber(signal));
}

/** @throws {UserError} when the name is taken */
function controlPaths(
  platform: Platform,
  config: Config,
  env: Readonly<Record<string, string>>,
  logger: Logger,
): { paths: ServicePaths; lock: NameLock } | null {
  const uid = platform.processes.userId();
  let paths: ServicePaths;
  let lock: NameLock | null;
  try {
    const directory = runtimeDirectory(config.runtimeDir, env, uid);
    paths = servicePaths(directory, config.name);
    checkPathLength(directory, paths);
    prepareDirectory(directory, uid);
    lock = NameLock.take(platform, paths.lock, paths.socket);
  } catch (error) {
    if (!(error instanceof UserError) || config.runtimeDir !== null) throw error;
    logger.warn(
      `"baton status", "baton stop" and "baton ready" do not work here: ${error.message}`,
    );
    return null;
  }
  if (lock !== null) return { paths, lock };
  throw new UserError(`Cannot run "${config.name}": a baton with this name is already running`, {
    status: EXIT_BUSY,
    remedy: "Choose another name: --name",
  });
}
