/** How a generation is started: what stands before its start, its plan, its members, its process. */
import type { RunningContext } from "../generation/context.ts";
import { lostDescriptors } from "../process/lost_descriptors.ts";
import { launchPlan } from "../process/launch_plan.ts";
import type { SupervisorOptions } from "./options.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import type { History } from "../report/history.ts";
import { RunningGeneration } from "../generation/generation.ts";
import type { ServiceHooks } from "./service_hooks.ts";
import { statusOf } from "../process/start_failure.ts";
import { errorText } from "../platform/error.ts";

interface StartsParts {
  readonly options: SupervisorOptions;
  readonly context: RunningContext;
  readonly running: Map<number, GenerationHandle>;
  readonly history: History;
  readonly hooks: ServiceHooks;
}

export class Starts {
  constructor(readonly parts: StartsParts) {}

  /** @param serving null: nobody serves, and `heirOf` is the one that crashed, if one has */
  spawn(epoch: number, heirOf: number | null, serving: GenerationHandle | null): void {
    const { context, running: all, history, hooks } = this.parts;
    const before = serving?.epoch ?? heirOf;
    const wantsNotification = before !== null && (all.get(before)?.notified ?? false);
    const running = new RunningGeneration(context, epoch, { heirOf, wantsNotification });
    all.set(epoch, running);
    history.started(epoch, running.startedAt);
    const reason = heirOf !== null ? "crash" : serving !== null ? "reload" : "start";
    running.admission = hooks.entrance(running, serving, reason);
    if (running.admission === null) this.#start(running);
    else running.admission.begin(() => this.#start(running));
    serving?.noteConnections();
  }

  #start(running: RunningGeneration): void {
    const { options, context, history } = this.parts;
    // A crash meanwhile may have made it an heir.
    const { epoch, replacementOf: heirOf } = running;
    try {
      const { path: notifyPath, notice } = running.openNotify(options.notifyPath(epoch));
      if (notice !== null) options.logger.warn(notice, { epoch });
      const trap = [...options.plan.trap, ...context.migration?.callsToTrap() ?? []];
      const plan = launchPlan({ ...options.plan, trap }, epoch, notifyPath);
      running.hints.push(...lostDescriptors(plan));
      const members = options.inheritor.membersFor(epoch, heirOf);
      const others = [...this.parts.running.values()].filter((other) => other !== running);
      // The one that crashed may be kept for what waits in its queue.
      const isAlone = others.every((other) => other.processes().length === 0);
      running.start({ plan, members, isAlone });
      history.setPid(epoch, running.pid);
      options.logger.info(`generation ${epoch} starts`, { pid: running.pid });
    } catch (error) {
      const message = errorText(error);
      running.failWithoutProcess(message, statusOf(error));
    }
  }
}
