/** Makes the service of `baton run` and wires its parts: supervisor, endpoints, service manager, shutdown. */
import { Inheritor } from "../../handoff/inherit.ts";
import { supervisedPod } from "../../pod/supervised_pod.ts";
import type { PlanContext } from "../../process/launch_plan.ts";
import type { StopReport } from "../../report/snapshot.ts";
import { Supervisor } from "../../supervisor/supervisor.ts";
import { VERSION } from "../console/version.ts";
import { Endpoints } from "./endpoints/endpoints.ts";
import { generationContext } from "./generation_context.ts";
import { managerOf } from "./parts/manager.ts";
import { ServiceEvents } from "./parts/events.ts";
import type { ServiceSetup } from "./service_setup.ts";
import { serviceStats } from "./parts/stats.ts";
import { nameHandlers, successionOptions } from "./parts/succession.ts";
import type { StartMode } from "./start_mode.ts";
import { StateStorage } from "./state_storage.ts";

/** Starts nothing yet. */
export function makeService(setup: ServiceSetup, mode: StartMode) {
  const { platform, config, paths, logger, launchContext, optional } = setup;
  const context = generationContext(setup, mode, () => supervisor.writeState());
  const { children, listeners } = context;
  const stats = serviceStats(setup, mode);
  const otlp = optional.otlp?.(setup, stats.registry, () => supervisor, mode.kind === "in-place") ??
    null;
  const progress = optional.TerminalProgress &&
    new optional.TerminalProgress(platform, () => supervisor.summary());
  const plan = planContext(setup);
  const events = new ServiceEvents({ setup, mode, plan, children });
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
    ...successionOptions(setup, mode),
    launchContext,
    controlDoor: () => endpoints.door,
    stateWriter: () => storage.writer,
    keepsStandbySockets,
    ...nameHandlers({ stats, endpoints, events, otlp, manager }, mode),
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
  // This handler comes before that of the control socket, which then waits for its clients.
  void finished.then(() => {
    events.close(endpoints.control?.isInPlace ?? false);
    otlp?.close();
    progress?.close();
  });
  return { context, supervisor, pod, endpoints, registry: stats.registry, events, otlp };
}

/** What every generation of this service is started with. */
function planContext({ platform, config, env, launchContext }: ServiceSetup): PlanContext {
  return {
    config,
    env,
    directory: config.cwd ?? "/",
    pid: platform.runtime.pid,
    trap: [],
    fileLimit: launchContext.fileLimit,
    at: platform.files.at,
  };
}
