/**
 * The health of one generation: the checks of its gate until it has passed, those of its liveness from
 * then on to its drain. Decides nothing: the gate asks whether all have passed, and a liveness check
 * that turns unhealthy is told.
 */
import { GATE_INTERVAL_MS, LIVE_INTERVAL_MS } from "../config/check_options.ts";
import type { ReadySpec, RepeatedCheck } from "../config/values/check_spec.ts";
import { CheckLoop } from "../health/check_loop.ts";
import { LogLine } from "../health/log_line.ts";
import { type Health, latestText, TRUSTED, UNKNOWN } from "../health/monitor.ts";
import { ReadyPipe } from "../health/ready_pipe.ts";
import type { Fd } from "../platform/fd.ts";
import { beginCheck, type CheckTarget } from "./begin_check.ts";
import type { CandidateOutput } from "../output/candidate_output.ts";
import type { CheckView } from "../report/snapshot.ts";

/** What else is asked of a candidate (generation_health.ts). */
export interface GateChecks {
  readonly passed: boolean;
  /** One of them shows that the server accepts, or says so. */
  readonly proves: boolean;
  /** `listen` was asked for by name, too. */
  readonly demandsListening: boolean;
  /** What has not passed, for people. */
  readonly missing: readonly string[];
}

/** What the health needs of its generation. */
interface CheckedGeneration extends CheckTarget {
  readonly output: CandidateOutput | null;
  checkGate(): void;
  fail(reason: string): void;
  /** What is asked of it while it serves is not answered any more. */
  onUnhealthy(reason: string): void;
}

/** What follows from being unhealthy may have failed, or not have been possible then: it is told again. */
const FAILURES_PER_REMINDER = 10;

export class GenerationHealth implements GateChecks {
  #phase: "new" | "gate" | "live" | "over" = "new";
  readonly #ready: readonly CheckLoop[];
  readonly #live: readonly CheckLoop[];
  readonly #logLines: readonly { readonly text: string; readonly line: LogLine }[];
  /** What `fd:N` says; null: it was not asked for. */
  readonly #announcement: Extract<ReadySpec, { kind: "fd" }> | null;
  #pipe: ReadyPipe | null = null;
  /** Failures of each liveness check when it was last told of. */
  readonly #toldAt = new Map<RepeatedCheck, number>();

  constructor(readonly generation: CheckedGeneration) {
    const { ready, live } = generation.context.config;
    const repeated = ready.filter((spec): spec is RepeatedCheck => isRepeated(spec.kind));
    this.#ready = repeated.map((spec) => this.#loop(spec, false));
    this.#live = live.map((spec) => this.#loop(spec, true));
    this.#announcement = ready.find((spec) => spec.kind === "fd") ?? null;
    this.#logLines = ready.flatMap((spec) =>
      spec.kind === "log" ? [{ text: spec.text, line: new LogLine(spec.pattern) }] : []
    );
  }

  /** For the start of its process: what it gets as a further descriptor; taken over. */
  openPipe(): { end: Fd; target: number } | null {
    if (this.#announcement === null) return null;
    const { platform } = this.generation.context;
    const { pipe, serverEnd } = ReadyPipe.open(platform, () => this.#onAnnouncement());
    this.#pipe = pipe;
    return { end: serverEnd, target: this.#announcement.descriptor };
  }

  /** Its process starts. */
  startGateChecks(): void {
    this.#phase = "gate";
    const { output } = this.generation;
    if (this.#logLines.length > 0 && output !== null) {
      output.onBytes = (stream, bytes) => {
        const found = this.#logLines.filter(({ line }) => line.add(stream, bytes));
        if (found.length > 0) this.#onAnnouncement();
      };
    }
    this.#ready.forEach((loop) => loop.start());
  }

  #onAnnouncement(): void {
    if (this.#phase === "gate") this.generation.checkGate();
  }

  /** Something has changed: it may listen now. */
  checkNow(): void {
    if (this.#phase === "gate") this.#ready.forEach((loop) => loop.checkNow());
  }

  /** Its gate. Told again whenever something of it has changed since. */
  onGatePassed(): void {
    if (this.#phase !== "gate") return;
    this.#ready.forEach((loop) => loop.stop());
    const { output } = this.generation;
    if (output !== null) output.onBytes = null;
    this.startLiveChecks();
  }

  /** It serves, perhaps again. */
  startLiveChecks(): void {
    if (this.#phase === "live") return;
    this.#phase = "live";
    for (const loop of this.#live) {
      // What was said of it in an earlier life as the serving one is no news.
      loop.health = TRUSTED;
      loop.start();
    }
  }

  stopLiveChecks(): void {
    if (this.#phase === "live") this.stop();
  }

  /** It serves no more, or has ended. */
  stop(): void {
    this.#phase = "over";
    [...this.#ready, ...this.#live].forEach((loop) => loop.stop());
  }

  close(): void {
    this.stop();
    this.#pipe?.close();
  }

  /** All that was asked has been answered well. */
  get passed(): boolean {
    return this.missing.length === 0;
  }

  /** One of them would not pass without a server that accepts, or says so itself. */
  get proves(): boolean {
    const { ready, checkReceive } = this.generation.context.config;
    return ready.some(({ kind }) =>
      ["http", "redis", "grpc", "fd"].includes(kind) || (kind === "tcp" && checkReceive !== null)
    );
  }

  get demandsListening(): boolean {
    return this.generation.context.config.ready.some(({ kind }) => kind === "listen");
  }

  /** What has not passed, for people. */
  get missing(): readonly string[] {
    const fd = this.#announcement;
    const pipe = this.#pipe;
    return [
      ...fd === null || pipe?.isReady ? [] : [`${fd.text}: ${pipe?.explanation ?? "not there"}`],
      ...this.#logLines.filter(({ line }) => line.found === null)
        .map(({ text, line }) => `${text}: ${line.explanation}`),
      ...this.#ready.filter(({ health }) => !health.healthy).map(({ text }) => text),
    ];
  }

  get views(): CheckView[] {
    const fd = this.#announcement;
    const announced = [
      ...fd === null ? [] : [{
        ...{ text: fd.text, said: this.#pipe?.isReady ?? false },
        explanation: this.#pipe?.explanation ?? null,
      }],
      ...this.#logLines.map(({ text, line: { found, explanation } }) => ({
        ...{ text, explanation, said: found !== null },
      })),
    ];
    return [
      ...announced.map(({ text, said, explanation }) => ({
        ...{ check: text, role: "ready" as const, healthy: said },
        ...{ lastResult: said ? "seen" : explanation, successes: said ? 1 : 0, failures: 0 },
      })),
      ...this.#ready.map((loop) => viewOf(loop, "ready")),
      ...this.#live.map((loop) => viewOf(loop, "live")),
    ];
  }

  #loop(spec: RepeatedCheck, isLive: boolean): CheckLoop {
    const { generation } = this;
    const { config } = generation.context;
    const intervalMs = config.checkIntervalMs ?? (isLive ? LIVE_INTERVAL_MS : GATE_INTERVAL_MS);
    return new CheckLoop({
      name: spec.text,
      health: isLive ? TRUSTED : UNKNOWN,
      schedule: {
        intervalMs,
        edgeIntervalMs: config.checkEdgeIntervalMs ?? intervalMs,
        jitterMs: config.checkJitterMs,
        initialJitterMs: config.checkInitialJitterMs,
      },
      thresholds: config,
      startCheck: (onResult) =>
        beginCheck(generation, {
          ...{ spec, isLive, onResult },
          onImpossible: (reason) => generation.fail(reason),
        }),
      onResult: (before, after) => this.#onResult(spec, isLive, before, after),
      random: Math.random,
    });
  }

  #onResult(spec: RepeatedCheck, isLive: boolean, before: Health, after: Health): void {
    const { generation } = this;
    if (after.skippedReason !== null) {
      // Once, when it begins: it may go on for long, and nothing follows from it.
      if (before.skippedReason !== null) return;
      const reason = `${spec.text}: ${after.skippedReason}`;
      return generation.context.log(`generation ${generation.epoch} could not be asked: ${reason}`);
    }
    const changed = before.healthy !== after.healthy;
    const state = after.healthy ? "healthy" : "unhealthy";
    const reason = `${spec.text}: ${after.last?.text ?? ""}`;
    if (changed) generation.context.log(`generation ${generation.epoch} is ${state}: ${reason}`);
    if (!isLive) {
      if (changed) generation.checkGate();
      return;
    }
    if (after.healthy) return;
    const failed = after.failures - (this.#toldAt.get(spec) ?? 0);
    if (!changed && failed < FAILURES_PER_REMINDER) return;
    this.#toldAt.set(spec, after.failures);
    generation.onUnhealthy(reason);
  }
}

function isRepeated(kind: string): boolean {
  return ["http", "tcp", "redis", "grpc", "exec"].includes(kind);
}

function viewOf({ name, health }: CheckLoop, role: CheckView["role"]): CheckView {
  const { healthy, successes, failures } = health;
  return { check: name, role, healthy, lastResult: latestText(health), successes, failures };
}
