/**
 * What the exit of a generation's leading process means when others of its tree are alive: they get the stop signal,
 * they serve on in the background, or the generation has exited and they are leftovers.
 */
import { foregroundAdvice } from "../config/foreground.ts";
import { commandTarget } from "../config/presets.ts";
import { EXIT_NEW_GENERATION_FAILED } from "../lifecycle/status.ts";
import type { ExitReport } from "../lifecycle/vocabulary.ts";
import { processName } from "../platform/process/proc.ts";
import type { ExitStatus } from "../platform/process/wait_status.ts";
import { reportExit } from "../report/exit_report.ts";
import { describeVictims } from "../report/killed_processes.ts";
import type { WorkerFacts } from "../succession/state/resume_state.ts";
import type { WorkerParts } from "./workers/worker_parts.ts";
import type { Admission } from "./admission.ts";
import { busyProcesses, LeftoverSignals } from "./leftovers.ts";
import type { Stopping } from "./stopping.ts";

const MOST_NAMES = 3;

export type LeaderExitDecision =
  /** The generation waits for nothing that is left. */
  | "exited"
  /** The rest gets the stop signal; the generation exits with the last of them. */
  | "signal_rest"
  /** The same, but the leader did not die of its signal and may have passed it on: they finish their requests first. */
  | "signal_rest_gently"
  /** What is left has had its signal, or KILL. */
  | "wait"
  /** The generation has exited before it was ready: what is left would listen in the background. */
  | "left_behind"
  | "to_background";

export interface LeaderExitCircumstances {
  readonly status: ExitStatus;
  /** Processes of its tree that are alive. */
  readonly remaining: number;
  readonly facts: Readonly<WorkerFacts>;
  readonly stopSignal: number;
  /** Whether one of the remaining processes has a socket that the generation listens on. */
  readonly serves: boolean;
  readonly wasKilled: boolean;
  /** The generation has not passed its gate. */
  readonly isCandidate: boolean;
}

export function decideLeaderExit(
  { status, remaining, facts, stopSignal, serves, wasKilled, isCandidate }: LeaderExitCircumstances,
): LeaderExitDecision {
  if (remaining === 0) return "exited";
  if (facts.stopTold || wasKilled) return "wait";
  if (facts.stopSent) {
    // A leader without a handler (a shell, npm) has died of the signal without passing it on.
    const diedOfIt = status.kind === "signalled" && status.signal === stopSignal;
    return diedOfIt ? "signal_rest" : "signal_rest_gently";
  }
  if (status.kind !== "exited" || status.code !== 0) return "exited";
  return serves ? "to_background" : isCandidate ? "left_behind" : "exited";
}

interface LeaderExitOptions extends WorkerParts {
  readonly stopping: Pick<Stopping, "policy" | "spareRest" | "cutRest">;
  readonly admission: Pick<Admission, "isPending" | "explainExit">;
  /** KILL follows after this time at the latest. */
  readonly limitStop: (delayMs: number) => void;
  readonly onExited: (exit: ExitReport) => void;
}

export class LeaderExit {
  readonly #signals: LeftoverSignals;
  /** Set while leftovers are followed: what to do when the last has exited. */
  #afterLeftovers: (() => void) | null = null;
  #hadTerminal = false;
  /**
   * Names of programs that the leader has left in the background before the generation was ready; null: it has left
   * none.
   */
  #background: readonly string[] | null = null;

  constructor(readonly options: LeaderExitOptions) {
    const { context, server, facts, stopping } = options;
    const { platform, config, listeners } = context;
    this.#signals = new LeftoverSignals({
      clock: platform.clock,
      stopTimeMs: config.stopTimeMs,
      processes: () => server.processes(),
      findBusy: (pids) => busyProcesses(platform, listeners, config.quietMs, pids),
      sendStopSignal: (pid) => platform.processes.signal(pid, stopping.policy.stopSignal),
      onOverdue: () => stopping.cutRest(),
      onAllSignaled: () => {
        facts.stopTold = true;
      },
    });
  }

  onLeaderExit(status: ExitStatus, remaining: number): void {
    const { facts, name, context, server, stopping, gate, admission, hints } = this.options;
    const { leaderSignal: stopSignal } = stopping.policy;
    const { wasKilled } = server;
    const isCandidate = admission.isPending;
    if (isCandidate && !wasKilled) hints.push(...admission.explainExit(status));
    this.#hadTerminal = context.foreground.onLeaderExit(server.pid);
    const serves = !this.#hadTerminal && gate.listening.length > 0 &&
      server.holdsMembers();
    const decision = decideLeaderExit({
      status,
      remaining,
      facts,
      stopSignal,
      serves,
      wasKilled,
      isCandidate,
    });
    switch (decision) {
      case "exited":
        if (remaining > 0) this.#abandonRest();
        else if (isCandidate && status.kind === "exited" && status.code === 0) {
          this.#noteEscaped();
        }
        return this.#reportExit(status);
      case "left_behind":
        this.#background = namesOf(server.processes());
        this.#abandonRest();
        return this.#reportExit(status);
      case "signal_rest":
        return this.#signalRest(false);
      case "signal_rest_gently":
        return this.#signalRest(true);
      case "wait":
        return;
      case "to_background":
        facts.daemonized = true;
        context.log(
          `${name()} went to the background: baton follows its processes, ` +
            `but configure the server to stay in the foreground if it can`,
        );
    }
  }

  /** Daemons that clear their environment leave no trace of their generation. */
  #noteEscaped(): void {
    const escaped = namesOf(this.options.context.children.strangers());
    if (escaped.length > 0) this.#background = escaped;
  }

  #signalRest(gently: boolean): void {
    const { context: { config }, stopping, limitStop } = this.options;
    if (gently) stopping.spareRest();
    // Helpers do not get the time in which a server finishes its requests.
    if (this.#signals.send(gently) === 0) limitStop(config.stopTimeMs);
  }

  /** The generation has exited; the rest gets the stop signal, and is followed until it has exited too. */
  #abandonRest(): void {
    const { context: { leftovers, config, platform, logError }, epoch, server } = this.options;
    const sinceMs = platform.clock.now();
    this.#signals.send(false);
    this.#afterLeftovers = () => {};
    const kill = () => {
      const killed = describeVictims(epoch, server.processes(), platform.clock.now() - sinceMs);
      server.kill();
      return killed;
    };
    const onAllExited = () => {
      const then = this.#afterLeftovers;
      this.#afterLeftovers = null;
      then?.();
    };
    const leftover = { epoch, processes: () => server.processes(), kill, onAllExited };
    leftovers.add(leftover, config.stopTimeMs, logError);
  }

  /** Whether the generation has exited, and processes that it has left behind are in their stop time. */
  get hasLeftovers(): boolean {
    return this.#afterLeftovers !== null;
  }

  /** Calls `then` when the leftovers have exited. @returns false when there are none */
  afterLeftovers(then: () => void): boolean {
    if (this.#afterLeftovers === null) return false;
    this.#afterLeftovers = then;
    return true;
  }

  /** Continues in a new baton: the one before may have been replaced, or killed, in the middle of this. */
  resume(): void {
    const { facts, server } = this.options;
    if (server.exitStatus && facts.stopSent && !facts.stopTold) this.#signalRest(true);
  }

  onAllExited(): void {
    const { exitStatus } = this.options.server;
    if (exitStatus) this.#reportExit(exitStatus);
    this.options.context.leftovers.check();
  }

  #reportExit(status: ExitStatus): void {
    const { facts, hints, context, stopping, onExited } = this.options;
    this.#signals.cancel();
    const report = reportExit(status, {
      stopSignal: facts.stopSent ? stopping.policy.leaderSignal : null,
      cleanExit: stopping.policy.cleanExit,
      daemonized: facts.daemonized,
      hints,
    });
    // No program exits well once its terminal is gone: Node aborts, Python cannot flush.
    const asRequested = report.asRequested || facts.stopSent && context.foreground.isClosed;
    const background = this.#background === null
      ? {}
      : describeBackground(report, this.#background, context.config.command);
    onExited({ ...report, ...background, asRequested, isFinal: this.#hadTerminal });
  }
}

function namesOf(pids: readonly number[]): string[] {
  return [...new Set(pids.flatMap((pid) => processName(pid) ?? []))];
}

/** Whatever it does there is out of baton's sight: its exit status 0 is not that of a server that was done. */
function describeBackground(
  { text }: ExitReport,
  names: readonly string[],
  command: readonly string[],
): Pick<ExitReport, "status" | "text"> {
  const advice = foregroundAdvice([...names, commandTarget(command).program]);
  const left = names.length === 0 ? "processes" : names.slice(0, MOST_NAMES).join(", ");
  return {
    status: EXIT_NEW_GENERATION_FAILED,
    text: `${text}: it went to the background, and left ${left} there: ${advice}`,
  };
}
