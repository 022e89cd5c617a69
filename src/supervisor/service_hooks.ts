/**
 * The user's commands at the moments of a service's life: which run, for which generation, and what their failure
 * means (docs/hooks.md).
 *
 * Guarantees: only what stands before a switch can veto it; `pre-drain` holds up a drain, never a switch; nothing
 * here holds up an end that the user has asked for a second time.
 */
import type { RunningContext } from "../generation/context.ts";
import type { HookName } from "../config/values/hook_spec.ts";
import { parseMinFree } from "../config/values/memory_size.ts";
import { Command } from "../hooks/command.ts";
import { type HookCircumstances, type HookGeneration, PRE_FLIGHT } from "../hooks/environment.ts";
import { refusal } from "../hooks/headroom.ts";
import { type CommandFailure, type Killable, Sequence } from "../hooks/sequence.ts";
import type { Logger } from "../log/logger.ts";
import { memoryOf, memoryReadings } from "../platform/memory.ts";
import {
  Admission,
  type AdmissionCandidate,
  type AdmissionStep,
  type Veto,
} from "../generation/admission.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import { describeFailure } from "../hooks/hook_failure.ts";
import { CandidateOutput } from "../output/candidate_output.ts";
import { commandPlan, type PlanContext } from "../process/launch_plan.ts";
import { errorText } from "../platform/error.ts";

type StepName = HookName | typeof PRE_FLIGHT;

interface HookCommand {
  readonly name: StepName;
  readonly command: string;
}

/** What a hook is told. */
type HookOccasion = Omit<HookCircumstances, "name">;

/** A drain that waits for its hook. */
interface HeldDrain {
  begin(): void;
  /** Its time begins too: nothing has cut it short. */
  beginInTime(): void;
}

export interface ServiceHooksOptions {
  readonly context: RunningContext;
  readonly plan: PlanContext;
  readonly logger: Logger;
  /** A generation begins something that takes time. */
  readonly onPhase: (epoch: number, phase: string) => void;
}

/** What runs until it is over when baton ends, because nothing else tells of that end. */
const LAST_HOOKS: readonly StepName[] = ["post-stop", "on-rollback"];

interface DelayedDrain {
  readonly draining: GenerationHandle;
  readonly drain: HeldDrain;
  /** Null: it is being started, or was over at once. */
  sequence: Killable | null;
}

/** A child that is reaped as a server is, and belongs to no generation. */
const NOBODYS = { epoch: NaN, holdsMember: () => false, onDescendantExit: () => {} };

export class ServiceHooks {
  readonly #active = new Map<Killable, StepName>();
  /** Drains that wait for their `pre-drain`, by epoch. */
  readonly #held = new Map<number, DelayedDrain>();
  #whenIdle: (() => void)[] = [];
  #lastGivenUp: number | null = null;

  constructor(readonly options: ServiceHooksOptions) {}

  /** @returns null when nothing stands in the way of a candidate */
  entrance(
    candidate: AdmissionCandidate & GenerationHandle,
    serving: GenerationHandle | null,
    reason: string,
  ): Admission | null {
    const occasion = { current: candidate, old: serving, reason };
    const { config } = this.options.context;
    const steps: HookCommand[] = this.#steps("pre-start");
    if (config.preFlight !== null) steps.unshift({ name: PRE_FLIGHT, command: config.preFlight });
    const isSecond = serving !== null && config.minFree !== null;
    const verdicts = this.#steps("ready");
    if (steps.length === 0 && verdicts.length === 0 && !isSecond) return null;
    const { epoch } = candidate;
    const run: AdmissionStep = (onDone) => this.#veto(steps, occasion, onDone);
    const beforeStart: AdmissionStep = (onDone) => {
      if (isSecond) return this.#checkMemory(serving, epoch, run, onDone);
      return run(onDone);
    };
    return new Admission(candidate, {
      readyTimeoutMs: config.readyTimeoutMs,
      beforeStart: (onDone) =>
        beforeStart((obstacle) => {
          if (obstacle === null) this.options.onPhase(epoch, "starting");
          onDone(obstacle);
        }),
      beforeSwitch: verdicts.length === 0
        ? null
        : (onDone) => this.#veto(verdicts, occasion, onDone),
    });
  }

  /** Goes on with `next` if a second copy has room. Always answers: all reloads would wait for this one. */
  #checkMemory(
    serving: GenerationHandle,
    epoch: number,
    next: AdmissionStep,
    onDone: (obstacle: Veto | null) => void,
  ): Killable {
    let running: Killable | null = null;
    let isKilled = false;
    this.options.onPhase(epoch, PRE_FLIGHT);
    const failed = ({ message }: Error) => `--min-free: memory cannot be looked at: ${message}`;
    this.#memoryRefusal(serving).catch(failed).then((reason) => {
      if (isKilled || reason !== null) return onDone({ reason: reason ?? "", output: null });
      running = next(onDone);
    }).catch(this.options.context.platform.reactor.onError);
    return {
      kill: () => {
        isKilled = true;
        running?.kill();
      },
    };
  }

  async #memoryRefusal(serving: GenerationHandle): Promise<string | null> {
    const text = this.options.context.config.minFree ?? "auto";
    const wanted = parseMinFree(text);
    const usedBytes = wanted.kind === "auto" ? await memoryOf(serving.processes()) : null;
    if (wanted.kind === "auto" && usedBytes === null) {
      this.options.logger.warn("--min-free auto: what the server uses cannot be seen: not checked");
    }
    return refusal({ wanted, text, readings: memoryReadings(), usedBytes });
  }

  /** Runs `steps`, the first failure of which stands in the way of a candidate. */
  #veto(
    steps: readonly HookCommand[],
    occasion: HookOccasion,
    onDone: (obstacle: Veto | null) => void,
  ): Killable {
    return this.#run(
      steps,
      occasion,
      (failed) => onDone(failed && { reason: this.#describe(failed), output: failed.output }),
      true,
    );
  }

  /** A drain begins when its hook is over, unless it is let be. */
  beforeDrain(draining: GenerationHandle, occasion: HookOccasion, drain: HeldDrain): void {
    const steps = this.#steps("pre-drain");
    if (steps.length === 0) return drain.begin();
    const { epoch } = draining;
    const held: DelayedDrain = { draining, drain, sequence: null };
    this.#held.set(epoch, held);
    this.options.onPhase(epoch, "pre-drain");
    held.sequence = this.#run(steps, occasion, () => {
      if (this.#held.get(epoch) !== held) return;
      this.#release(held);
      drain.beginInTime();
    });
  }

  /** Its drain waits: no time of it has passed yet. */
  delaysDrain(epoch: number): boolean {
    return this.#held.has(epoch);
  }

  /** It is to be stopped, or killed: its drain begins now, so that what that cuts is counted. */
  cutDelayShort(epoch: number): void {
    const held = this.#held.get(epoch);
    if (held === undefined) return;
    if (held.draining.processes().length === 0) return this.cancelDelay(epoch);
    this.#release(held);
    held.sequence?.kill();
  }

  /** It has ended, or serves again: there is no drain to wait for. */
  cancelDelay(epoch: number): void {
    const held = this.#held.get(epoch);
    this.#held.delete(epoch);
    held?.sequence?.kill();
  }

  #release({ draining, drain }: DelayedDrain): void {
    this.#held.delete(draining.epoch);
    this.options.onPhase(draining.epoch, "draining");
    drain.begin();
  }

  /** A new generation was given up; told once, and only if the one before it goes on. */
  onRolledBack(failed: HookGeneration, old: HookGeneration | undefined, reason: string): void {
    if (old === undefined || this.#lastGivenUp === failed.epoch) return;
    this.#lastGivenUp = failed.epoch;
    this.#tell("on-rollback", { current: failed, old, reason });
  }

  /** Nothing of it runs any more. @param current serves now */
  onExited(old: HookGeneration, current: HookGeneration | null, outcome: string): void {
    this.#tell("post-stop", { current, old, reason: outcome });
  }

  /** Runs what nobody waits for. */
  #tell(name: HookName, occasion: HookOccasion): void {
    const steps = this.#steps(name);
    if (steps.length > 0) this.#run(steps, occasion, () => {});
  }

  #steps(name: HookName): HookCommand[] {
    return this.options.context.config.hook.filter((hook) => hook.name === name);
  }

  #run(
    steps: readonly HookCommand[],
    occasion: HookOccasion,
    onDone: (failed: CommandFailure<HookCommand, CandidateOutput> | null) => void,
    stopsAtFailure = false,
  ): Killable {
    let phase: StepName | null = null;
    const sequence = new Sequence<HookCommand, CandidateOutput>({
      steps,
      stopsAtFailure,
      start: (step, onEnd) => {
        const { current } = occasion;
        const isCandidate = stopsAtFailure && current !== null;
        if (isCandidate && phase !== step.name) this.options.onPhase(current.epoch, step.name);
        phase = step.name;
        return this.#start(step, occasion, onEnd);
      },
      onFailure: (failure) => {
        // A veto is told with the verdict.
        if (!stopsAtFailure) this.options.logger.warn(this.#describe(failure));
      },
      onDone: (failed) => {
        this.#active.delete(sequence);
        onDone(failed);
        this.#notice();
      },
    });
    const [first] = steps;
    if (first !== undefined) this.#active.set(sequence, first.name);
    sequence.start();
    return sequence;
  }

  #start(
    { name, command }: HookCommand,
    { current, old, reason }: HookOccasion,
    onEnd: ConstructorParameters<typeof Command<CandidateOutput>>[1]["onEnd"],
  ): Killable {
    const { context, plan, logger } = this.options;
    const { platform, config } = context;
    const told: HookCircumstances = { name: config.name, current, old, reason };
    const output = new CandidateOutput(platform);
    logger.debug(`${name}: ${command}`, { epoch: current?.epoch ?? null });
    let launch;
    try {
      launch = commandPlan(plan, name, command, told);
    } catch (error) {
      const message = errorText(error);
      onEnd({ kind: "not_started", message }, output);
      return { kill: () => {} };
    }
    return new Command(platform, {
      plan: launch,
      timeoutMs: config.hookTimeoutMs,
      output,
      follow: (pid, onExit) => context.children.add({ ...NOBODYS, pid, onLeaderExit: onExit }),
      onEnd,
    });
  }

  #describe({ step, end: killRunning }: CommandFailure<HookCommand, CandidateOutput>): string {
    return describeFailure(
      step.name,
      step.command,
      killRunning,
      this.options.context.config.hookTimeoutMs,
    );
  }

  /** Calls `then` when no command runs: at once, or when those that do have ended. */
  whenIdle(then: () => void): void {
    this.#whenIdle.push(then);
    this.#notice();
  }

  #notice(): void {
    if (this.#active.size > 0) return;
    const waiting = this.#whenIdle;
    this.#whenIdle = [];
    for (const then of waiting) then();
  }

  /** The service has ended: only what tells of that goes on. @param all not even that */
  end(all = false): void {
    for (const [sequence, name] of [...this.#active]) {
      if (all || !LAST_HOOKS.includes(name)) sequence.kill();
    }
  }
}
