/** Carries out what `--guard` decides (guarded.ts), for `Restarter`, and answers those who wait for the outcome of a reload. */
import { type AdminAddress, askAdmin } from "../envoy/admin_client.ts";
import { errorText } from "../platform/error.ts";
import { CandidateOutput } from "../output/candidate_output.ts";
import { flushOutputs } from "../output/own_output.ts";
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import { clearMark, look } from "./envoy_memory.ts";
import type { Effect, Event } from "./exact.ts";
import { stepGuarded } from "./guarded.ts";
import {
  type GuardedEffect,
  type GuardedEvent,
  type GuardOptions,
  INITIAL_GUARDED,
} from "./guarded_state.ts";
import { own } from "./lines.ts";
import { adminOf, type FoundAdmin, leave } from "./leaving.ts";
import { LiveWatch } from "./live_watch.ts";

const STANDARD_ERROR = 2;
const LAST_WORDS = 20;
const SLOW_READER_MS = 2_000;
/** Time-out for an answer of Envoy's administration interface. */
const ANSWER_MS = 2_000;

/** The outcome of a reload. */
export interface Verdict {
  /** Epoch of the child that the reload has started; null: baton ended before. */
  readonly epoch: number | null;
  /** Why the reload has failed; null: the child is LIVE. */
  readonly failure: string | null;
  /** The newest child that is LIVE; null: none is. */
  readonly serving: number | null;
  readonly durationMs: number;
  /** The last lines of the child, when it has failed. */
  readonly output: readonly string[];
}

interface Waiting {
  readonly sinceMs: number;
  readonly resolve: (verdict: Verdict) => void;
}

interface Options extends GuardOptions {
  readonly readyTimeoutMs: number;
  /** Carries out what follows from an event of its own. */
  readonly perform: (effects: readonly Effect[]) => void;
}

export class Guard {
  #state = INITIAL_GUARDED;
  readonly #watch: LiveWatch;
  /** Reloads that wait: for the child that is asked for, and for the one that starts. */
  #asking: Waiting[] = [];
  #waiting: Waiting[] = [];
  #output: CandidateOutput | null = null;
  /** Administration interface of the newest child that is LIVE. */
  #admin: Promise<FoundAdmin> = Promise.resolve("none is LIVE");

  constructor(readonly platform: Platform, readonly options: Options) {
    this.#watch = new LiveWatch({
      clock: platform.clock,
      timeoutMs: options.readyTimeoutMs,
      look: (pid) => look(pid, this.#before(pid)),
      onEvent: (event) => options.perform(this.decide(event)),
    });
  }

  get children(): readonly number[] {
    return this.#state.children.map(({ pid }) => pid);
  }

  readonly heedsChildren = true;
  readonly looksAgain = true;

  /** The newest child that is LIVE; null: none is. */
  get serving(): number | null {
    return this.#state.children.findLast(({ phase }) => phase === "live")?.epoch ?? null;
  }

  /** The child that `pid` is to take over from; null: there is none. */
  #before(pid: number): number | null {
    const { children } = this;
    return children[children.indexOf(pid) - 1] ?? null;
  }

  /** Asks for a child as HUP does, and waits for the outcome. */
  reload(): Promise<Verdict> {
    const { promise, resolve } = Promise.withResolvers<Verdict>();
    this.#asking.push({ sinceMs: this.platform.clock.now(), resolve });
    this.options.perform(this.decide({ kind: "signal", signal: "SIGHUP" }));
    return promise;
  }

  openErrors(): Fd | null {
    this.#output = null;
    const { terminals } = this.platform;
    if (terminals.isTerminal(STANDARD_ERROR)) return null;
    const output = new CandidateOutput(this.platform);
    const [, errors] = output.open([STANDARD_ERROR]);
    this.#output = output;
    return typeof errors === "number" ? null : errors;
  }

  decide(event: Event | GuardedEvent): readonly Effect[] {
    const { state, effects } = stepGuarded(this.#state, event, this.options);
    this.#state = state;
    return effects.flatMap((effect) => this.#carryOut(effect));
  }

  #carryOut(effect: GuardedEffect): Effect[] {
    switch (effect.kind) {
      case "watch":
        this.#watch.start(effect.pid);
        return [];
      case "unwatch":
        this.#watch.stop();
        return [];
      case "leave":
        void this.#leave();
        return [];
      case "clear":
        return this.#clear(effect.pid);
      case "verdict":
        if (effect.failure === null) this.#admin = adminOf(this.children.at(-1)!).catch(errorText);
        this.#answer(this.#waiting, effect.epoch, effect.failure);
        this.#waiting = [];
        return [];
      case "fork":
        this.#waiting.push(...this.#asking);
        this.#asking = [];
        return [effect];
      case "exit":
        this.#watch.stop();
        this.#answer([...this.#waiting, ...this.#asking], null, "hot-restarter has ended");
        return [effect];
      default:
        return [effect];
    }
  }

  async #leave(): Promise<void> {
    const { clock } = this.platform;
    const startMs = clock.now();
    const isOver = () => !this.#state.isLeaving;
    const found = await this.#admin;
    const text = typeof found === "string"
      ? `requests in flight will be cut: ${found}`
      : await leave(clock, this.#asker(found), isOver).catch(errorText);
    this.options.perform(this.decide({ kind: "left", text, afterMs: clock.now() - startMs }));
  }

  #asker(address: AdminAddress): Parameters<typeof leave>[1] {
    return (method, path) =>
      askAdmin(this.platform, address, { method, path, timeoutMs: ANSWER_MS });
  }

  #clear(pid: number): Effect[] {
    const outcome = clearMark(pid);
    if ("why" in outcome) {
      const text = `the mark of a failed start cannot be cleared, and the next one may end with ` +
        `"previous envoy process is still initializing": ${outcome.why}. A stop and a start clear it`;
      return [{ kind: "print", line: own("ERROR", text) }];
    }
    if (!outcome.wasSet) return [];
    const text = "cleared the mark that the failed start has left (INITIALIZING)";
    return [{ kind: "print", line: own("INFO", text) }];
  }

  #answer(waiting: readonly Waiting[], epoch: number | null, failure: string | null): void {
    const nowMs = this.platform.clock.now();
    const output = failure === null ? [] : this.#lastWords();
    for (const { sinceMs, resolve } of waiting) {
      const durationMs = Math.round(nowMs - sinceMs);
      resolve({ epoch, failure, serving: this.serving, durationMs, output });
    }
  }

  /** To be called before the end: prints what a slow reader has not read yet. */
  flush(): void {
    this.#output?.drain();
    flushOutputs(this.platform, SLOW_READER_MS);
  }

  #lastWords(): readonly string[] {
    this.#output?.drain();
    return this.#output?.tail.lines(LAST_WORDS) ?? [];
  }
}
