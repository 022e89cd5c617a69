/** Starts a generation: admission by hooks, launch plan, listeners, process. */
import { SocketTable } from "../drain/connections.ts";
import { checkProgram } from "../process/check_program.ts";
import { UserError } from "../config/values/errors.ts";
import { type GenerationOptions, RunningGeneration } from "../generation/generation.ts";
import { Inspection } from "../generation/candidate/inspection.ts";
import { othersSinceNow, PassedSockets } from "../generation/candidate/passed_sockets.ts";
import type { GenerationHandle } from "../generation/handle.ts";
import { ListenError } from "../handoff/inherit.ts";
import { EXIT_BUSY, EXIT_NEW_GENERATION_FAILED, EXIT_SYSTEM } from "../lifecycle/status.ts";
import type { ServiceEffect } from "../lifecycle/vocabulary.ts";
import { errorText, orNull } from "../platform/error.ts";
import { isRunning } from "../platform/process/proc.ts";
import { adviceFor } from "./advice.ts";
import { withFront } from "./front_step.ts";
import type { SupervisorParts } from "./parts.ts";

type Spawn = Extract<ServiceEffect, { kind: "spawn" }>;

/** Lines of a candidate's output that advice is looked for in: enough for its last words. */
const ADVICE_LINES = 20;

/** @param serving null: none serves, and `replaces` is the one that crashed, if one has */
export function startGeneration(
  parts: SupervisorParts,
  { epoch, replaces, plan, waits, workers }: Omit<Spawn, "kind">,
  serving: GenerationHandle | null,
): void {
  const { running, history, hooks } = parts;
  const before = serving?.epoch ?? replaces;
  const reason = replaces !== null ? "crash" : serving !== null ? "reload" : "start";
  const candidate = makeCandidate(parts, { epoch, replaces, plan, workers }, {
    wantsNotification: before !== null && (running.get(before)?.notified ?? false),
    admissionSteps: withFront(
      parts,
      hooks.admissionSteps(serving, reason, { plan, waits, workers }),
    ),
  });
  running.set(epoch, candidate);
  history.started(epoch, candidate.startedAt);
  const { failure } = parts.config;
  if (reason === "reload" && failure !== null) {
    const remedy = failure.remedy === null ? "" : `. ${failure.remedy}`;
    return candidate.failBeforeStart(`${failure.message}${remedy}`, failure.status);
  }
  const { inspection } = candidate;
  const noteConnections = noteConnectionsOf(parts, serving?.epoch ?? null);
  candidate.admission.begin(() => {
    if (waits) {
      noteConnections();
      return waitToBeAlone(parts, candidate, plan);
    }
    // Work that can wait is done while the server starts.
    launch(parts, candidate, plan, noteConnections);
    inspection?.begin();
  });
  serving?.noteSockets("datagrams");
  // Listeners that the serving generation has closed are not asked of its successor.
  if (serving instanceof RunningGeneration) serving.lookForClosed();
}

/**
 * A function of its own, for the sake of its scope. Closures of a generation live as long as that, and share all that
 * the function which makes them has in scope. With the generation before it among that, each generation would keep its
 * predecessor in memory, and so all that ever were.
 */
function makeCandidate(
  parts: SupervisorParts,
  { epoch, replaces, plan, workers }: Omit<Spawn, "kind" | "waits">,
  given: Pick<GenerationOptions, "wantsNotification" | "admissionSteps">,
): RunningGeneration {
  const { running, goodPlans } = parts;
  const context = parts.config.contextFor(
    parts.context,
    { epoch, source: plan, good: goodPlans.goodEpoch },
    (other) => running.has(other) || other === goodPlans.goodEpoch,
  );
  const candidate: RunningGeneration = new RunningGeneration(context, epoch, {
    ...given,
    replacementOf: replaces,
    size: workers,
    launch: (worker) => parts.launch(candidate, worker),
    inspection: inspectionOf(parts, epoch, () => candidate),
  });
  return candidate;
}

/**
 * @param serving epoch of the serving generation
 * @returns a first look at its connections; a function of its own for its scope, as `makeCandidate()` is
 */
function noteConnectionsOf({ running }: SupervisorParts, serving: number | null): () => void {
  return () => {
    if (serving !== null) running.get(serving)?.noteSockets("connections");
  };
}

/** Looks at what the candidate and the serving generation share. */
function inspectionOf(
  parts: SupervisorParts,
  epoch: number,
  candidate: () => RunningGeneration,
): Inspection {
  const { context } = parts;
  const lastLines = (count: number) => candidate().output?.tail.lines(count);
  const processes = () => candidate().processes();
  const isPending = () => candidate().admission.isPending;
  const fail = (reason: string) => {
    const status = EXIT_NEW_GENERATION_FAILED;
    context.dispatch({ kind: "failed", epoch, reason, status });
  };
  const table = () => new SocketTable(context.platform, context.listeners);
  const passed = new PassedSockets({
    clock: context.platform.clock,
    others: othersSinceNow(context.listeners, epoch, () => candidate().replacementOf),
    accepted: () => orNull(() => table().openBy(processes()).length) ?? 0,
    processes,
    isPending,
    program: context.preset.program,
    fail,
  });
  return new Inspection({
    platform: context.platform,
    policy: context.config.sharedFiles,
    epoch,
    processes,
    serving: () => parts.servingIn(parts.service()),
    isPending,
    onHint: (text) => candidate().onHint(text),
    advice: () => adviceFor(parts, lastLines(ADVICE_LINES) ?? []),
    isSilent: () => !candidate().outputIsDirect && lastLines(1)?.length === 0,
    log: context.logError,
    fail,
    passed,
  });
}

/** The server starts when no other generation is left; what would keep it from that comes now. */
function waitToBeAlone(
  parts: SupervisorParts,
  candidate: RunningGeneration,
  source: Spawn["plan"],
): void {
  const { options, context, goodPlans } = parts;
  const { epoch } = candidate;
  try {
    goodPlans.choose(epoch, source, parts.config.planWith(options.plan, candidate.context.config));
    checkProgram(goodPlans.basisOf(epoch), context.platform.files);
  } catch (error) {
    return candidate.failBeforeStart(errorText(error), exitStatusFor(error));
  }
  candidate.isWaiting = true;
  context.dispatch({ kind: "admitted", epoch });
}

/** A candidate that has waited is alone now. */
export function launchWaiting(
  parts: SupervisorParts,
  { epoch, replaces, plan }: Extract<ServiceEffect, { kind: "launch" }>,
): void {
  const candidate = parts.running.get(epoch);
  if (!(candidate instanceof RunningGeneration)) return;
  candidate.isWaiting = false;
  candidate.replacementOf = replaces;
  launch(parts, candidate, plan);
}

function launch(
  parts: SupervisorParts,
  candidate: RunningGeneration,
  source: Spawn["plan"],
  onReleased = () => {},
): void {
  const { options, history, goodPlans } = parts;
  const { epoch } = candidate;
  try {
    const files = parts.config.planWith(options.plan, candidate.context.config);
    for (const notice of goodPlans.choose(epoch, source, files)) {
      options.logger.warn(`last good plan: ${notice}`, { epoch });
    }
    const others = [...parts.running.values()].filter((other) => other !== candidate);
    // A crashed generation may still be listed, for the connections in its queue.
    const isAlone = others.every((other) => !isThere(other.pid) && other.processes().length === 0);
    candidate.start(isAlone, () => {
      keepPlan(parts, epoch);
      onReleased();
    });
    // With --survive, the state that is written down before the server may run has its plan, too.
    if (parts.context.config.survive) goodPlans.keep(epoch);
    history.started(epoch, candidate.startedAt, candidate.pid);
    options.logger.info(`generation ${epoch} starts`, { pid: candidate.pid });
    // All that must be known of it before its programs run is written down.
    for (const { server } of candidate.workers.all) server.letGo();
  } catch (error) {
    candidate.failBeforeStart(errorText(error), exitStatusFor(error));
  }
}

function exitStatusFor(startError: unknown): number {
  if (startError instanceof UserError) return startError.status;
  return startError instanceof ListenError ? EXIT_BUSY : EXIT_SYSTEM;
}

/** Keeps the plan for a later start. That this one cannot be kept is no reason to fail it. */
function keepPlan({ goodPlans, options }: SupervisorParts, epoch: number): void {
  try {
    goodPlans.keep(epoch);
  } catch (error) {
    options.logger.warn(`what it is started with cannot be kept: ${errorText(error)}`, { epoch });
  }
}

/** @param pid of a leading process, which is quicker to look at than the whole tree */
function isThere(pid: number | null): boolean {
  return pid !== null && isRunning(pid);
}
