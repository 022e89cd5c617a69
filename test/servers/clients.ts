/** A few clients, each with one exchange at a time on a new connection, and what became of all of them. */
import { type Exchange, exchange, ExchangeError, type Failure, type Place } from "./exchange.ts";
import { waitUntil } from "../support/wait_until.ts";

const CLIENTS = 4;
/** Between two exchanges of a client: this is about reloads, and the machine has other work. */
const THINK_TIME_MS = 5;
const MAX_KEPT_ERRORS = 5;

export class Clients implements AsyncDisposable {
  ok = 0;
  slowestMs = 0;
  readonly failures = new Map<Failure, number>();
  readonly errors: string[] = [];
  readonly #at: Place;
  readonly #exchange: Exchange;
  readonly #finished: Promise<unknown>;
  #isStopping = false;

  constructor(at: Place, what: Exchange, clients = CLIENTS) {
    this.#at = at;
    this.#exchange = what;
    this.#finished = Promise.all(Array.from({ length: clients }, () => this.#run()));
  }

  get lost(): number {
    return [...this.failures.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Until `count` more were answered, or one was not. */
  async more(count: number, deadlineMs: number): Promise<void> {
    const { ok, lost } = this;
    await waitUntil(() => this.ok >= ok + count || this.lost > lost, {
      what: `${count} more exchanges are answered`,
      deadlineMs,
    });
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#finished;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      const startedAt = performance.now();
      try {
        await exchange(this.#at, this.#exchange);
        this.ok++;
        this.slowestMs = Math.max(this.slowestMs, performance.now() - startedAt);
      } catch (error) {
        const failure = error instanceof ExchangeError ? error.failure : "other";
        this.failures.set(failure, (this.failures.get(failure) ?? 0) + 1);
        if (this.errors.length < MAX_KEPT_ERRORS) this.errors.push(String(error));
      }
      await new Promise((resolve) => setTimeout(resolve, THINK_TIME_MS));
    }
  }
}
