/** A few HTTP/2 connections with a few streams each, and the same tally as `test/support/load.ts` has. */
import { whatHasCome } from "../../../test/support/load.ts";
import { Tally } from "../../../test/support/tally.ts";
import { H2Session } from "./h2_session.ts";

export interface H2LoadOptions {
  readonly port: number;
  readonly connections: number;
  readonly streams: number;
  readonly thinkTimeMs: number;
  readonly timeoutMs: number;
  /** @default false */
  readonly tls?: boolean;
  /** @default "/" */
  readonly path?: string;
  readonly onAnswer: (body: string) => void;
}

const PAUSE_AFTER_LOSS_MS = 5;

export class H2Load {
  readonly tally = new Tally();
  /** Requests that the server has refused to begin with, and that were repeated. */
  repeated = 0;
  readonly #options: H2LoadOptions;
  readonly #startedAt = performance.now();
  readonly #finished: Promise<unknown>;
  #isStopping = false;

  constructor(options: H2LoadOptions) {
    this.#options = options;
    this.#finished = Promise.all(
      Array.from(
        { length: options.connections },
        (_, index) => this.#client(`127.0.0.${40 + index}`),
      ),
    );
  }

  /** Starts no more requests, and waits for those in flight. */
  async stop(): Promise<Tally> {
    this.#isStopping = true;
    await this.#finished;
    this.tally.elapsedMs = performance.now() - this.#startedAt;
    return this.tally;
  }

  async #client(source: string): Promise<void> {
    let session: H2Session | null = null;
    const usable = (): H2Session => {
      if (session?.isUsable) return session;
      this.tally.connections++;
      const { port, timeoutMs } = this.#options;
      return session = new H2Session(port, source, timeoutMs, this.#options);
    };
    const lanes = Array.from({ length: this.#options.streams }, () => this.#lane(usable));
    await Promise.all(lanes);
    (session as H2Session | null)?.close();
  }

  async #lane(usable: () => H2Session): Promise<void> {
    let startedAt: number | null = null;
    while (!this.#isStopping) {
      startedAt ??= performance.now();
      const session = usable();
      const reused = session.wasUsed;
      const end = await session.request();
      let pauseMs = this.#options.thinkTimeMs;
      if (end.kind === "unprocessed") {
        // The clock of the request runs on: its user waits.
        this.repeated++;
        continue;
      }
      if (end.kind === "answered") {
        this.tally.addResponse(end.body, performance.now() - startedAt);
        this.#options.onAnswer(end.body);
      } else {
        const { cause, detail } = end;
        const atMs = performance.now() - this.#startedAt;
        this.tally.addLoss({ cause, detail, atMs, from: "h2", reused });
        pauseMs += PAUSE_AFTER_LOSS_MS;
      }
      startedAt = null;
      if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
      await whatHasCome();
    }
  }
}
