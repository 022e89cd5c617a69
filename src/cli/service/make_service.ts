/** Makes the service of `baton run` and wires its parts: supervisor, endpoints, service manager, shutdown. */
import { Inheritor } from "../../handoff/inherit.ts";
import { supervisedPod } from "../../pod/supervised_pod.ts";
import type { StopReport } from "../../report/snapshot.ts";
import { PredecessorRecovery } from "../../succession/upgrade/predecessor_recovery.ts";
import { Supervisor } from "../../supervisor/supervisor.ts";
import { VERSION } from "../console/version.ts";
import { Endpoints } from "./endpoints/endpoints.ts";
import { generationContext } from "./generation_context.ts";
import { managerOf } from "./parts/manager.ts";
import { programOf } from "./process_setup.ts";
import { ServiceEvents } from "./parts/events.ts";
import type { ServiceSetup } from "./service_setup.ts";
import { serviceStats } from "./parts/stats.ts";
import { predecessorOf, type StartMode } from "./start_mode.ts";
import { StateStorage } from "./state_storage.ts";

/** Starts nothing yet. */
export function makeService(setup: ServiceSetup, mode: StartMode) {
  const { platform, config, env, paths, logger, launchContext, optional } = setup;
  const context = generationContext(setup, mode, () => supervisor.writeState());
  const { children, listeners } = context;
  const predecessor = predecessorOf(mode);
  const stats = serviceStats(setup, mode);
  const otlp = optional.otlp?.(setup, stats.registry, () => supervisor) ?? null;
  const progress = optional.TerminalProgress &&
    new optional.TerminalProgress(platform, () => supervisor.summary());
  const plan = {
    config,
    env,
    directory: config.cwd ?? "/",
    pid: platform.runtime.pid,
    trap: [],
    fileLimit: launchContext.fileLimit,
    at: platform.files.at,
  };
  const events = new ServiceEvents({ setup, mode, plan, children });
  const [program = "", ...prefix] = programOf(platform);
  const { client, manager, keepsStandbySockets } = managerOf(setup);
  const storage = new StateStorage(
    setup,
    keepsStandbySockets ? { client, found: mode.storedNames } : null,
    { onStarted: (pid) => children.addHelper(pid), onLost: () => supervisor.writeState() },
  );
  const endpoints = new Endpoints({
    platform,
    config,
    logger,
    name: { lock: mode.lock, socket: paths.socket },
    stats: stats.link,
    OwnPorts: optional.OwnPorts,
    probeAddress: setup.pod.probeAddress,
    service: () => ({ supervisor, pod, registry: stats.registry, events: events.streams }),
    succession: { mode, storage, supervisor: () => supervisor },
  });
  const { promise: finished, resolve: onFinish } = Promise.withResolvers<StopReport>();
  const supervisor: Supervisor = new Supervisor({
    context,
    plan,
    liveConfig: setup.liveConfig,
    order: setup.order,
    duplicates: setup.duplicates,
    inheritor: new Inheritor(platform, listeners, config.listen, config.backlog),
    logger,
    version: VERSION,
    manager,
    observers: [
      stats.observer,
      events.log,
      ...otlp === null ? [] : [otlp],
      ...progress === null ? [] : [progress],
      { onStep: ({ event }) => endpoints.onEvent(event.kind) },
    ],
    passedOn: stats.passedOn,
    notifyPath: (epoch, worker) => paths.notify(epoch, worker),
    upgrade: { program, prefix, env, directory: launchContext.directory, lock: mode.lock.fd },
    TakeoverOffers: optional.TakeoverOffers,
    predecessor,
    // The fd store process of the predecessor listens under the name of the service.
    predecessorRecovery: mode.ownsName ? null : new PredecessorRecovery(
      platform,
      paths.hold,
      mode.kind === "upgrade-child" ? mode.predecessor.state : null,
    ),
    handoffIsShared: mode.kind === "upgrade-child" ||
      (mode.kind === "takeover" && config.takeover === config.handoffSocket),
    resumption: mode.resumption,
    launchContext,
    controlDoor: () => endpoints.door,
    stateWriter: () => storage.writer,
    keepsStandbySockets,
    onTakenOver: () => {
      stats.onTakenOver();
      try {
        endpoints.takeFromPredecessor();
      } finally {
        predecessor?.whenSilent(() => events.begin());
      }
      otlp?.start();
    },
    onPredecessorGone: () => {
      stats.onOtherGone();
      endpoints.onPredecessorGone();
      manager.becomeMain();
    },
    onTakenBack: () => {
      stats.onOtherGone();
      endpoints.takeBackFromSuccessor();
      events.beginAgain();
    },
    receivers: events,
    beforeFinish: (then) => events.finish(then),
    onFinish,
  });
  const pod: ReturnType<typeof supervisedPod> = supervisedPod(supervisor, {
    platform,
    config,
    logger,
    finished,
    setup: setup.pod,
    ports: () => listeners.ports,
    portsAccepted: () => endpoints.portsAccepted,
  });
  // Before the control socket waits for its clients.
  void finished.then(() => {
    events.close(endpoints.control?.isInPlace ?? false);
    otlp?.close();
    progress?.close();
  });
  return { context, supervisor, pod, endpoints, registry: stats.registry, events, otlp };
}
