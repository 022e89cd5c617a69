/**
 * Sends metrics at intervals, and a trace of each reload (--otlp). An observer: it looks at each step, and never waits in
 * one. One export of each kind is under way at a time; what comes meanwhile is bounded, and dropped if a receiver is down.
 */
import type { Clock, Timer } from "../../platform/clock.ts";
import { errorText } from "../../platform/error.ts";
import type { Step } from "../../report/step.ts";
import type { Family } from "../family.ts";
import type { Times } from "./metric_data.ts";
import { type PlannedSpan, ReloadTraces } from "./reload_traces.ts";

/** Spans that may wait for the receiver: those of some ten reloads. */
const MAX_WAITING_SPANS = 128;

type Kind = "metrics" | "traces";

interface OtlpSender {
  sendMetrics(families: readonly Family[], times: Times): Promise<void>;
  sendSpans(planned: readonly PlannedSpan[]): Promise<void>;
}

interface OtlpPushOptions {
  readonly clock: Clock;
  readonly intervalMs: number;
  /** The address of the receiver, for messages. */
  readonly url: string;
  /** Called once, when there is something to send. */
  readonly load: () => Promise<OtlpSender>;
  readonly collect: () => { readonly families: readonly Family[]; readonly times: Times };
  readonly log: { info(message: string): void; warn(message: string): void };
}

export class OtlpPush {
  readonly #traces = new ReloadTraces();
  readonly #waiting: PlannedSpan[] = [];
  #dropped = 0;
  #sender: Promise<OtlpSender> | null = null;
  #timer: Timer | null = null;
  #hasBegun = false;
  /** Whether another baton has the service. */
  #isAway = false;
  readonly #busy = { metrics: false, traces: false };
  readonly #failing = new Set<Kind>();

  constructor(readonly options: OtlpPushOptions) {}

  onStep({ effects, history, after }: Step): void {
    const isAway = after.shutdown !== null && after.shutdown.handedOver !== null;
    if (isAway !== this.#isAway) {
      this.#isAway = isAway;
      this.#update();
    }
    const answer = effects.find(({ kind }) => kind === "reload_result");
    const spans = this.#traces.look(
      history.lastReload,
      answer !== undefined,
      this.options.clock.wallMs(),
    );
    if (!this.#isOn || spans.length === 0) return;
    this.#waiting.push(...spans);
    this.#dropped += this.#waiting.splice(0, this.#waiting.length - MAX_WAITING_SPANS).length;
    void this.#sendSpans();
  }

  /** From here on this baton is the one that reports about the service, unless another one takes over. */
  start(): void {
    this.#hasBegun = true;
    this.#update();
  }

  close(): void {
    this.#hasBegun = false;
    this.#update();
  }

  get #isOn(): boolean {
    return this.#hasBegun && !this.#isAway;
  }

  #update(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#isOn) void this.#sendMetrics();
  }

  async #sendMetrics(): Promise<void> {
    const { clock, intervalMs, collect } = this.options;
    this.#timer = clock.after(intervalMs, () => void this.#sendMetrics());
    await this.#send("metrics", (sender) => {
      const { families, times } = collect();
      return sender.sendMetrics(families, times);
    });
  }

  async #sendSpans(): Promise<void> {
    while (this.#waiting.length > 0 && !this.#busy.traces) {
      const batch = this.#waiting.splice(0);
      const isSent = await this.#send("traces", (sender) => sender.sendSpans(batch));
      if (!isSent) this.#dropped += batch.length;
    }
  }

  async #send(
    kind: Kind,
    send: (sender: OtlpSender) => Promise<void>,
  ): Promise<boolean> {
    if (this.#busy[kind]) return false;
    this.#busy[kind] = true;
    try {
      await send(await this.#loaded());
      this.#report(kind, null);
      return true;
    } catch (error) {
      this.#report(kind, errorText(error));
      return false;
    } finally {
      this.#busy[kind] = false;
    }
  }

  /** The sender. What cannot be loaded now is tried again with the next export. */
  #loaded(): Promise<OtlpSender> {
    return this.#sender ??= this.options.load().catch((error) => {
      this.#sender = null;
      throw error;
    });
  }

  /** Logs the first failure, and the first success after one. */
  #report(kind: Kind, problem: string | null): void {
    const { url, log } = this.options;
    const hasFailed = this.#failing.has(kind);
    if (problem === null && hasFailed) {
      this.#failing.delete(kind);
      const dropped = this.#dropped > 0 ? `; ${this.#dropped} spans were dropped` : "";
      this.#dropped = 0;
      log.info(`${kind} are sent to ${url} again${dropped}`);
    } else if (problem !== null && !hasFailed) {
      this.#failing.add(kind);
      log.warn(`cannot send ${kind} to ${url}: ${problem}; the next ones are tried again (--otlp)`);
    }
  }
}
