/** The checks of one worker: those of its gate until it has passed, then those of its liveness until its drain. */
import { GATE_INTERVAL_MS, LIVE_INTERVAL_MS } from "../config/tables/check_options.ts";
import { isRepeated, type ReadySpec, type RepeatedCheck } from "../config/values/check_spec.ts";
import { CheckLoop } from "../health/check_loop.ts";
import { LogLine } from "../health/log_line.ts";
import { type Health, latestText, TRUSTED, UNKNOWN } from "../health/monitor.ts";
import { ReadyPipe } from "../health/ready_pipe.ts";
import type { Fd } from "../platform/fd.ts";
import type { CheckView } from "../report/snapshot.ts";
import type { RunningContext } from "./context.ts";

interface CheckAnnouncement {
  readonly text: string;
  readonly isSeen: boolean;
  readonly explanation: string | null;
}

interface WorkerHealthOptions {
  readonly context: RunningContext;
  readonly epoch: number;
  readonly number: number;
  /** For people: "generation 3". */
  readonly name: () => string;
  readonly pid: () => number | null;
  readonly onChange: () => void;
  /** Called when a worker has passed its gate, and a check fails now. */
  readonly onUnhealthy: (reason: string) => void;
  readonly fail: (reason: string) => void;
}

/** Being unhealthy is reported again: its consequence may have failed, or not have been possible then. */
const FAILURES_PER_REMINDER = 10;

export class WorkerHealth {
  #phase: "new" | "gate" | "live" | "over" = "new";
  readonly #ready: CheckLoop[];
  readonly #live: readonly CheckLoop[];
  readonly #logLines: readonly { readonly text: string; readonly line: LogLine }[];
  /** The descriptor of `--ready fd:N`; null without that option. */
  readonly #announcement: Extract<ReadySpec, { kind: "fd" }> | null;
  #pipe: ReadyPipe | null = null;
  /** Why it is not known yet what the program says of itself; null: it is known. */
  awaited: () => string | null = () => null;
  /** Failures of each liveness check at its latest report. */
  readonly #reportedAt = new Map<RepeatedCheck, number>();

  constructor(readonly options: WorkerHealthOptions) {
    const { ready, live } = options.context.config;
    const repeated = ready.filter(isRepeated);
    this.#ready = repeated.map((spec) => this.#loop(spec, false));
    this.#live = live.map((spec) => this.#loop(spec, true));
    this.#announcement = ready.find((spec) => spec.kind === "fd") ?? null;
    this.#logLines = ready.flatMap((spec) =>
      spec.kind === "log" ? [{ text: spec.text, line: new LogLine(spec.pattern) }] : []
    );
  }

  /** One more check of the gate, which no option names: what the program says of itself. */
  addReady(name: string, startCheck: CheckLoop["options"]["startCheck"]): void {
    if (this.#phase !== "gate") return;
    const loop = this.#loopOf(name, startCheck, UNKNOWN, GATE_INTERVAL_MS, (before, after) => {
      if (before.healthy !== after.healthy) this.options.onChange();
    });
    this.#ready.push(loop);
    loop.start();
  }

  /** @returns a further descriptor for the process that is started, which the caller then owns; null: it needs none */
  openPipe(): { end: Fd; target: number } | null {
    if (this.#announcement === null) return null;
    const { platform } = this.options.context;
    const pipe = new ReadyPipe(platform, () => {
      if (this.#phase === "gate") this.options.onChange();
    });
    this.#pipe = pipe;
    return { end: pipe.serverEnd, target: this.#announcement.descriptor };
  }

  startGateChecks(): void {
    this.#phase = "gate";
    this.#ready.forEach((loop) => loop.start());
  }

  /** Whether none of its checks of liveness fails. */
  get isWell(): boolean {
    return this.#live.every(({ health }) => health.healthy);
  }

  /** Whether the gate waits for a line of the output. */
  get readsOutput(): boolean {
    return this.#phase === "gate" && this.#logLines.length > 0;
  }

  onOutput(stream: number, bytes: Uint8Array): void {
    if (!this.readsOutput) return;
    const found = this.#logLines.filter(({ line }) => line.add(stream, bytes));
    if (found.length > 0) this.options.onChange();
  }

  /** Runs the checks now, without waiting for their interval: the server may have begun to listen. */
  checkNow(): void {
    if (this.#phase === "gate") this.#ready.forEach((loop) => loop.checkNow());
  }

  /** Called again whenever part of a passed gate changes. */
  onGatePassed(): void {
    if (this.#phase !== "gate") return;
    this.#ready.forEach((loop) => loop.stop());
    this.startLiveChecks();
  }

  startLiveChecks(): void {
    if (this.#phase === "live") return;
    this.#phase = "live";
    for (const loop of this.#live) {
      // Results from an earlier time as the serving generation do not count.
      loop.health = TRUSTED;
      loop.start();
    }
  }

  stopLiveChecks(): void {
    if (this.#phase === "live") this.stop();
  }

  stop(): void {
    this.#phase = "over";
    [...this.#ready, ...this.#live].forEach((loop) => loop.stop());
  }

  close(): void {
    this.stop();
    this.#pipe?.close();
  }

  /** Whether checks of the gate prove that the server accepts, or says so itself. */
  get proves(): boolean {
    const { ready, checkReceive } = this.options.context.config;
    return ready.some(({ kind }) =>
      ["http", "redis", "grpc", "fd"].includes(kind) || (kind === "tcp" && checkReceive !== null)
    );
  }

  /** Whether `--ready` names `listen`, besides checks. */
  get demandsListening(): boolean {
    return this.options.context.config.ready.some(({ kind }) => kind === "listen");
  }

  /** Checks that are passed by one report of the server itself. */
  get #announcements(): CheckAnnouncement[] {
    const announced = this.#logLines.map(({ text, line: { found, explanation } }) => ({
      text,
      isSeen: found !== null,
      explanation,
    }));
    if (this.#announcement === null) return announced;
    const { isReady: isSeen = false, explanation = null } = this.#pipe ?? {};
    return [{ text: this.#announcement.text, isSeen, explanation }, ...announced];
  }

  /** The checks of the gate that have not passed, in words. */
  get missing(): readonly string[] {
    return [
      ...this.#announcements.filter(({ isSeen }) => !isSeen)
        .map(({ text, explanation }) => `${text}: ${explanation ?? "not there"}`),
      ...this.#ready.filter(({ health }) => !health.healthy).map(({ text }) => text),
      ...[this.awaited()].filter((each) => each !== null),
    ];
  }

  get views(): CheckView[] {
    return [
      ...this.#announcements.map(announcementView),
      ...this.#ready.map((loop) => viewOf(loop, "ready")),
      ...this.#live.map((loop) => viewOf(loop, "live")),
    ];
  }

  #loop(spec: RepeatedCheck, isLive: boolean): CheckLoop {
    const { context, epoch, number, pid, fail } = this.options;
    const { config, beginCheck } = context;
    if (beginCheck === null) throw new Error(`the code of checks is not loaded: ${spec.text}`);
    const intervalMs = config.checkIntervalMs ?? (isLive ? LIVE_INTERVAL_MS : GATE_INTERVAL_MS);
    return this.#loopOf(
      spec.text,
      (onResult) =>
        beginCheck(
          { context, epoch, number, pid: pid() },
          { spec, isLive, onResult, onImpossible: fail },
        ),
      isLive ? TRUSTED : UNKNOWN,
      intervalMs,
      (before, after) => this.#onResult(spec, isLive, before, after),
    );
  }

  #loopOf(
    name: string,
    startCheck: CheckLoop["options"]["startCheck"],
    health: Health,
    intervalMs: number,
    onResult: CheckLoop["options"]["onResult"],
  ): CheckLoop {
    const { context: { platform, config } } = this.options;
    return new CheckLoop({
      clock: platform.clock,
      name,
      health,
      schedule: {
        intervalMs,
        edgeIntervalMs: config.checkEdgeIntervalMs ?? intervalMs,
        jitterMs: config.checkJitterMs,
        initialJitterMs: config.checkInitialJitterMs,
      },
      thresholds: config,
      startCheck,
      onResult,
      random: Math.random,
    });
  }

  #onResult(spec: RepeatedCheck, isLive: boolean, before: Health, after: Health): void {
    const { context: { log }, name, onChange, onUnhealthy } = this.options;
    if (after.skippedReason !== null) {
      // Logged once, when it begins: it may last, and nothing follows from it.
      if (before.skippedReason !== null) return;
      return log(`${name()} could not be checked: ${spec.text}: ${after.skippedReason}`);
    }
    const changed = before.healthy !== after.healthy;
    const state = after.healthy ? "healthy" : "unhealthy";
    const reason = `${spec.text}: ${after.last?.text ?? ""}`;
    if (changed) log(`${name()} is ${state}: ${reason}`);
    if (!isLive) {
      if (changed) onChange();
      return;
    }
    if (after.healthy) return;
    const failed = after.failures - (this.#reportedAt.get(spec) ?? 0);
    if (!changed && failed < FAILURES_PER_REMINDER) return;
    this.#reportedAt.set(spec, after.failures);
    onUnhealthy(reason);
  }
}

function viewOf({ name, health }: CheckLoop, role: CheckView["role"]): CheckView {
  const { healthy, successes, failures } = health;
  return { check: name, role, healthy, lastResult: latestText(health), successes, failures };
}

function announcementView({ text, isSeen, explanation }: CheckAnnouncement): CheckView {
  const lastResult = isSeen ? "seen" : explanation;
  const successes = isSeen ? 1 : 0;
  return { check: text, role: "ready", healthy: isSeen, lastResult, successes, failures: 0 };
}
