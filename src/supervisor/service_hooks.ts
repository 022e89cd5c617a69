/**
 * The user's commands at the moments of a service's life (docs/hooks.md): only one before a switch can veto it;
 * `pre-drain` delays a drain, never a switch; none delays a shutdown that the user has requested a second time.
 */
import type { HookName } from "../config/values/hook_spec.ts";
import type { AdmissionStep, AdmissionSteps } from "../generation/admission.ts";
import type { RunningContext } from "../generation/context.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import { Command, type CommandEnd, describeFailure } from "../hooks/command.ts";
import { type HookCircumstances, type HookGeneration, PRE_FLIGHT } from "../hooks/environment.ts";
import { checkMemory } from "../hooks/memory_check.ts";
import { type CommandFailure, type Killable, Sequence } from "../hooks/sequence.ts";
import { CandidateOutput } from "../output/candidate_output.ts";
import { commandPlan } from "../process/launch_plan.ts";
import type { ServiceState } from "../lifecycle/state.ts";
import type { ServiceEffect } from "../lifecycle/vocabulary.ts";
import type { History } from "../report/history.ts";
import type { SupervisorOptions } from "./options.ts";
import { workersAsked } from "./policy.ts";

type CommandName = HookName | typeof PRE_FLIGHT;

interface HookCommand {
  readonly name: CommandName;
  readonly command: string;
}

type Failure = CommandFailure<HookCommand>;

type HookOccasion = Omit<HookCircumstances, "name" | "workers">;

/** A supervisor's parts, as far as hooks need them. */
export interface HookParts {
  readonly options: Pick<SupervisorOptions, "plan" | "logger" | "order" | "liveConfig">;
  readonly context: RunningContext;
  readonly history: History;
  readonly service: () => ServiceState;
}

type Spawn = Extract<ServiceEffect, { kind: "spawn" }>;

/** Hooks that run on when baton exits: nothing else reports that end. */
const LAST_HOOKS: readonly CommandName[] = ["post-stop", "on-rollback"];

/** Memory for as many workers as are started beside the others at once. */
interface MemoryNeed {
  readonly serving: GenerationHandle;
  readonly minFree: string;
  readonly workers: number;
}

/** A drain that waits for its `pre-drain`. */
interface DelayedDrain {
  readonly draining: GenerationHandle;
  readonly begin: () => void;
  /** The running hooks; null: they are being started, or were over at once. */
  sequence: Killable | null;
}

/** Owner of a hook's process, which is reaped like a server's leader. */
const NO_GENERATION = { epoch: NaN, worker: 0, startTime: 0, holdsMember: () => false };

export class ServiceHooks {
  readonly #active = new Map<Killable, CommandName>();
  readonly #delayed = new Map<number, DelayedDrain>();
  #whenIdle: (() => void)[] = [];
  #lastRolledBack: number | null = null;

  constructor(readonly parts: HookParts) {}

  /** Generation `epoch` begins something that takes time. */
  #enterPhase(epoch: number, phase: string): void {
    const { history, context } = this.parts;
    history.timelines.enter(epoch, phase, context.platform.clock.now());
  }

  /** @returns null when a candidate needs no step */
  admissionSteps(
    serving: GenerationHandle | null,
    reason: string,
    { plan, waits, workers }: Pick<Spawn, "plan" | "waits" | "workers">,
  ): AdmissionSteps | null {
    const { preFlight, minFree } = this.parts.context.config;
    const commands: HookCommand[] = this.#commandsOf("pre-start");
    // A pre-flight looks at the files as they are now, which the last good plan does not use.
    if (preFlight !== null && plan === "files") {
      commands.unshift({ name: PRE_FLIGHT, command: preFlight });
    }
    // Only a second copy needs room.
    const isSecond = serving !== null && !waits;
    const memory = !isSecond || minFree === null ? null : { serving, minFree, workers };
    const verdicts = this.#commandsOf("ready");
    if (commands.length === 0 && verdicts.length === 0 && memory === null) return null;
    const step = (steps: readonly HookCommand[]): AdmissionStep => (current, onDone) =>
      this.#run(
        steps,
        { current, old: serving, reason },
        (failed) => onDone(failed && { reason: this.#describe(failed), output: failed.output }),
        true,
      );
    const run = step(commands);
    const admit = memory === null ? run : this.#afterMemoryCheck(memory, run);
    return {
      beforeStart: (candidate, onDone) =>
        admit(candidate, (veto) => {
          if (veto === null) this.#enterPhase(candidate.epoch, "starting");
          onDone(veto);
        }),
      beforeSwitch: verdicts.length === 0 ? null : step(verdicts),
    };
  }

  /** Runs `next` if a second copy has room. */
  #afterMemoryCheck(
    { serving, minFree, workers }: MemoryNeed,
    next: AdmissionStep,
  ): AdmissionStep {
    const { context, options: { logger } } = this.parts;
    const check = () =>
      checkMemory(minFree, () => serving.processes(workers), (text) => logger.warn(text));
    return (candidate, onDone) => {
      let running: Killable | null = null;
      let isKilled = false;
      this.#enterPhase(candidate.epoch, PRE_FLIGHT);
      check().then((reason) => {
        if (isKilled || reason !== null) return onDone({ reason: reason ?? "", output: null });
        running = next(candidate, onDone);
      }).catch(context.platform.reactor.onError);
      return {
        kill: () => {
          isKilled = true;
          running?.kill();
        },
      };
    };
  }

  /**
   * Delays a drain until its pre-drain hooks have finished or the delay is cut short.
   * @param onDelayOver the hooks have finished: the drain time begins now
   */
  beforeDrain(
    occasion: HookOccasion & { readonly old: GenerationHandle },
    begin: () => void,
    onDelayOver: () => void,
  ): void {
    const steps = this.#commandsOf("pre-drain");
    if (steps.length === 0) return begin();
    const { old: draining, old: { epoch } } = occasion;
    const delayed: DelayedDrain = { draining, begin, sequence: null };
    this.#delayed.set(epoch, delayed);
    this.#enterPhase(epoch, "pre-drain");
    delayed.sequence = this.#run(steps, occasion, () => {
      if (this.#delayed.get(epoch) !== delayed) return;
      this.#release(delayed);
      onDelayOver();
    });
  }

  delaysDrain(epoch: number): boolean {
    return this.#delayed.has(epoch);
  }

  /** Before a stop signal or KILL: begins the drain now, so that what the signal cuts is counted. */
  cutDelayShort(epoch: number): void {
    const delayed = this.#delayed.get(epoch);
    if (delayed === undefined) return;
    if (delayed.draining.processes().length === 0) return this.cancelDelay(epoch);
    this.#release(delayed);
    delayed.sequence?.kill();
  }

  /** The generation has exited, or serves again: its drain will not begin. */
  cancelDelay(epoch: number): void {
    const delayed = this.#delayed.get(epoch);
    this.#delayed.delete(epoch);
    delayed?.sequence?.kill();
  }

  #release({ draining: { epoch }, begin }: DelayedDrain): void {
    this.#delayed.delete(epoch);
    this.#enterPhase(epoch, "draining");
    begin();
  }

  /** A candidate was rolled back. Reported once, and only if the old generation serves on. */
  onRolledBack(failed: HookGeneration, old: HookGeneration | null, reason: string): void {
    if (old === null || this.#lastRolledBack === failed.epoch) return;
    this.#lastRolledBack = failed.epoch;
    this.#report("on-rollback", { current: failed, old, reason });
  }

  /** @param current the generation that serves now */
  onExited(old: HookGeneration, current: HookGeneration | null, outcome: string): void {
    this.#report("post-stop", { current, old, reason: outcome });
  }

  #report(name: HookName, occasion: HookOccasion): void {
    const steps = this.#commandsOf(name);
    if (steps.length > 0) this.#run(steps, occasion, () => {});
  }

  #commandsOf(name: HookName): HookCommand[] {
    return this.parts.context.config.hook.filter((hook) => hook.name === name);
  }

  /** @param isVeto the first failure rejects the candidate, whose report shows it */
  #run(
    steps: readonly HookCommand[],
    occasion: HookOccasion,
    onDone: (failed: Failure | null) => void,
    isVeto = false,
  ): Killable {
    let phase: CommandName | null = null;
    const sequence = new Sequence<HookCommand>({
      steps,
      stopsAtFailure: isVeto,
      start: (step, onEnd) => {
        const { current } = occasion;
        const isNewPhase = isVeto && phase !== step.name;
        if (isNewPhase && current !== null) this.#enterPhase(current.epoch, step.name);
        phase = step.name;
        return this.#start(step, occasion, onEnd);
      },
      onFailure: (failure) => {
        if (!isVeto) this.parts.options.logger.warn(this.#describe(failure));
      },
      onDone: (failed) => {
        this.#active.delete(sequence);
        onDone(failed);
        this.#checkIdle();
      },
    });
    const [first] = steps;
    if (first !== undefined) this.#active.set(sequence, first.name);
    sequence.start();
    return sequence;
  }

  #start(
    { name, command }: HookCommand,
    occasion: HookOccasion,
    onEnd: (end: CommandEnd, output: CandidateOutput) => void,
  ): Killable {
    const { options: { plan, logger, order, liveConfig }, context, service } = this.parts;
    const { platform, config, children, listeners } = context;
    const { wanted: workers } = workersAsked(config, order.order, service());
    const shown = (who: HookGeneration | null) =>
      who && { epoch: who.epoch, pid: who.pid, address: listeners.dialed(who.epoch) };
    const output = new CandidateOutput(platform);
    logger.debug(`${name}: ${command}`, { epoch: occasion.current?.epoch ?? null });
    return new Command(platform, {
      plan: () =>
        commandPlan(liveConfig.planWith(plan, config), name, command, {
          ...occasion,
          current: shown(occasion.current),
          old: shown(occasion.old),
          name: config.name,
          workers,
        }),
      timeoutMs: config.hookTimeoutMs,
      output,
      follow: (pid, onLeaderExit) => children.add({ ...NO_GENERATION, pid, onLeaderExit }),
      onEnd: (end) => onEnd(end, output),
    });
  }

  #describe({ step, end }: Failure): string {
    const { hookTimeoutMs } = this.parts.context.config;
    return describeFailure(step.name, step.command, end, hookTimeoutMs);
  }

  /** Calls `then` when no command runs: at once, or when the running ones have ended. */
  whenIdle(then: () => void): void {
    this.#whenIdle.push(then);
    this.#checkIdle();
  }

  #checkIdle(): void {
    if (this.#active.size > 0) return;
    for (const then of this.#whenIdle.splice(0)) then();
  }

  /** Ends hooks at the shutdown of the service. @param all also those that report that end */
  killRunning(all = false): void {
    for (const [sequence, name] of [...this.#active]) {
      if (all || !LAST_HOOKS.includes(name)) sequence.kill();
    }
  }
}
