/**
 * Looks at a candidate and at the generation that serves, as processes: files that both write to, locks that the one waits
 * for and the other holds, and what became of the other when the candidate exited without a word. `--shared-files` says
 * what follows from the first two.
 *
 * A look costs some reads of /proc. There is one before the switch, and while a candidate takes long there are more, with
 * growing pauses.
 */
import type { Config } from "../../config/config.ts";
import { describeRestart, processesIn } from "../../inspect/changed_processes.ts";
import { holdingsOf } from "../../inspect/holdings.ts";
import { describeObstacle, findLockObstacles } from "../../inspect/lock_obstacles.ts";
import { findSharedFiles } from "../../inspect/shared_files.ts";
import type { Timer } from "../../platform/clock.ts";
import type { Platform } from "../../platform/platform.ts";
import { processName } from "../../platform/process/proc.ts";
import { type Findings, NO_FINDINGS } from "../../report/snapshot.ts";
import { CandidateCalls, type Serving } from "./calls.ts";
import type { PassedSockets } from "./passed_sockets.ts";

/** Before the first look; most candidates are ready by then. */
const FIRST_LOOK_MS = 500;
const LONGEST_PAUSE_MS = 30_000;

interface InspectionOptions {
  readonly platform: Pick<Platform, "clock" | "seccomp" | "libc">;
  readonly policy: Config["sharedFiles"];
  readonly epoch: number;
  readonly processes: () => number[];
  readonly serving: Serving;
  /** Whether the candidate has yet to pass its gate. */
  readonly isPending: () => boolean;
  /** Called with a possible reason, should the candidate fail. */
  readonly onHint: (text: string) => void;
  /** Advice on what the candidate has printed, if that is known to come from a second copy's trouble; null: none. */
  readonly advice: () => string | null;
  /** Whether there is no output of the candidate that could be shown. */
  readonly isSilent: () => boolean;
  readonly log: (message: string) => void;
  readonly fail: (reason: string) => void;
  /** Looks for listeners of another generation in the candidate. */
  readonly passed: PassedSockets;
}

/** What looks at a candidate, and at the generation that serves beside it, have shown. */
export interface Inspected {
  readonly findings: Findings;
  /**
   * It has exited with 0 before it was ready, as a copy does that has told the serving generation to replace itself, or
   * to end.
   */
  readonly endedWithZero: boolean;
  /** Whether it had listeners of another generation. */
  readonly wasPassed: boolean;
  /** What has ended with it, as a part of a sentence; null: nothing. */
  readonly loss: string | null;
}

export const NOT_INSPECTED: Inspected = {
  findings: NO_FINDINGS,
  endedWithZero: false,
  wasPassed: false,
  loss: null,
};

export class Inspection implements Inspected {
  #sharedFiles = NO_FINDINGS.sharedFiles;
  endedWithZero = false;
  #timer: Timer | null = null;
  readonly calls: CandidateCalls;
  readonly #logged = new Set<string>();
  /** Processes of the serving generation when the candidate was started, with their start times. */
  #before: ReadonlyMap<number, number> = new Map();

  constructor(readonly options: InspectionOptions) {
    this.calls = new CandidateCalls(options);
  }

  /** Read as of now: what a copy has caused may come some time after its exit. */
  get findings(): Findings {
    return { sharedFiles: this.#sharedFiles, doubt: this.endedWithZero ? this.#doubt() : null };
  }

  get wasPassed(): boolean {
    return this.options.passed.wereFound;
  }

  get loss(): string | null {
    return this.options.passed.loss;
  }

  #doubt(): string | null {
    const serving = this.options.serving();
    if (serving === null) return null;
    const changed = describeRestart(this.#before, processesIn(serving.processes()));
    return changed === null
      ? null
      : `it ${changed} meanwhile, so the new version may be serving already, outside baton's ` +
        "control: use a pid file for each generation (docs/servers.md)";
  }

  /** The candidate's process has been started. */
  begin(): void {
    const serving = this.options.serving();
    if (serving === null) return;
    this.#before = processesIn(serving.processes());
    this.options.passed.begin();
    if (this.options.policy !== "allow") this.#lookAfter(FIRST_LOOK_MS);
  }

  #lookAfter(pauseMs: number): void {
    this.#timer = this.options.platform.clock.after(pauseMs, () => {
      this.#lookAfter(Math.min(2 * pauseMs, LONGEST_PAUSE_MS));
      this.#lookForLocks();
    });
  }

  #lookForLocks(): void {
    const { policy, epoch, log, fail } = this.options;
    const serving = this.options.serving();
    if (serving === null) return;
    for (const obstacle of findLockObstacles(this.options.processes(), serving.processes())) {
      const text = describeObstacle(obstacle, serving.epoch);
      if (this.#logged.has(text)) continue;
      this.#logged.add(text);
      log(`generation ${epoch} ${text}`);
      if (policy === "refuse" && obstacle.isHeldByServing) return fail(`it ${text}`);
    }
  }

  /** @returns why the candidate must not serve, now that it could; null: it may */
  refusal(): string | null {
    this.end();
    // The process that has ended was the first one of a server that is in the background now.
    this.endedWithZero = false;
    const { policy, epoch, log, processes } = this.options;
    const serving = this.options.serving();
    if (serving === null || policy === "allow") return null;
    const found = findSharedFiles(() => serving.processes(), processes());
    if (found.length === 0) return null;
    const holder = (of: number, pid: number) => ({ epoch: of, pid, name: processName(pid) ?? "?" });
    this.#sharedFiles = found.map(({ path, how, older, newer }) => ({
      path,
      how,
      holders: [holder(serving.epoch, older), holder(epoch, newer)],
    }));
    const paths = found.map(({ path }) => path).join(", ");
    const what = `writes to ${paths}, as generation ${serving.epoch} does: ` +
      "what one writes the other may overwrite";
    if (policy === "refuse") return `it ${what} (--shared-files refuse): use --order stop-first`;
    log(`generation ${epoch} ${what}: use --order stop-first, or --shared-files allow`);
    return null;
  }

  /** What the candidate waits for, in words. */
  obstacles(): string[] {
    const serving = this.options.serving();
    const held = findLockObstacles(this.options.processes(), serving?.processes() ?? []);
    return held.map((obstacle) => `it ${describeObstacle(obstacle, serving?.epoch ?? null)}`);
  }

  /** The candidate's leading process has exited before it was ready. @returns possible reasons */
  explainExit(code: number | null): string[] {
    this.end();
    const serving = this.options.serving();
    const advice = this.options.advice();
    const advised = advice === null ? [] : [advice];
    if (serving === null) return advised;
    const { epoch } = serving;
    const pids = serving.processes();
    const held = this.options.isSilent() ? holdingsOf(pids) : [];
    const met = held.length === 0
      ? []
      : [`generation ${epoch} holds ${held.join(", ")}, which a second copy may have met`];
    this.endedWithZero = code === 0;
    return [...met, ...advised];
  }

  end(): void {
    this.options.passed.end();
    this.#timer?.cancel();
    this.#timer = null;
  }
}
