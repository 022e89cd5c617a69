/** How a generation is started: its admission steps, plan, members, process. */
import type { RunningContext } from "../generation/context.ts";
import { lostDescriptors } from "../process/lost_descriptors.ts";
import { launchPlan } from "../process/launch_plan.ts";
import type { SupervisorOptions } from "./options.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import type { History } from "../report/history.ts";
import { RunningGeneration } from "../generation/generation.ts";
import type { ServiceHooks } from "./service_hooks.ts";
import { UserError } from "../config/values/errors.ts";
import { ListenError } from "../handoff/inherit.ts";
import { EXIT_BUSY, EXIT_SYSTEM } from "../lifecycle/status.ts";
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

  /** @param serving null: none serves, and `replacementOf` is the generation that crashed, if one has */
  spawn(epoch: number, replacementOf: number | null, serving: GenerationHandle | null): void {
    const { context, running: all, history, hooks } = this.parts;
    const before = serving?.epoch ?? replacementOf;
    const wantsNotification = before !== null && (all.get(before)?.notified ?? false);
    const reason = replacementOf !== null ? "crash" : serving !== null ? "reload" : "start";
    const admissionSteps = hooks.admissionSteps(serving, reason);
    const options = { replacementOf, wantsNotification, admissionSteps };
    const running = new RunningGeneration(context, epoch, options);
    all.set(epoch, running);
    history.started(epoch, running.startedAt);
    running.admission.begin(() => this.#start(running));
    serving?.noteConnections();
  }

  #start(running: RunningGeneration): void {
    const { options, context, history } = this.parts;
    // A crash meanwhile may have made it a replacement.
    const { epoch, replacementOf } = running;
    try {
      const { path: notifyPath, notice } = running.openNotify(options.notifyPath(epoch));
      if (notice !== null) options.logger.warn(notice, { epoch });
      const trap = [...options.plan.trap, ...context.migration?.callsToTrap() ?? []];
      const plan = launchPlan({ ...options.plan, trap }, epoch, notifyPath);
      running.hints.push(...lostDescriptors(plan));
      const members = options.inheritor.membersFor(epoch, replacementOf);
      const others = [...this.parts.running.values()].filter((other) => other !== running);
      // A crashed generation may be kept for the connections in its queue.
      const isAlone = others.every((other) => other.processes().length === 0);
      running.start({ plan, members, isAlone });
      history.setPid(epoch, running.pid);
      options.logger.info(`generation ${epoch} starts`, { pid: running.pid });
    } catch (error) {
      running.failBeforeStart(errorText(error), exitStatusFor(error));
    }
  }
}

function exitStatusFor(startError: unknown): number {
  if (startError instanceof UserError) return startError.status;
  return startError instanceof ListenError ? EXIT_BUSY : EXIT_SYSTEM;
}
