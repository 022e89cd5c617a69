/** Questions as datagrams, each from a port of its own, in bursts, so that the server always has some in its queue. */
import { createSocket } from "node:dgram";
import { waitUntil } from "./wait_until.ts";

const ANSWER_DEADLINE_MS = 5_000;

export class DatagramLoad implements AsyncDisposable {
  sent = 0;
  answered = 0;
  /** Answers by process. */
  readonly byPid = new Map<number, number>();
  #isOver = false;
  readonly #clients: Promise<void>[] = [];

  /** @param clients that ask at the same time */
  constructor(readonly port: number, clients: number) {
    this.#clients = Array.from({ length: clients }, () => this.#askOn());
  }

  async #askOn(): Promise<void> {
    while (!this.#isOver) await this.#ask();
  }

  /** Resolves when it is answered, or will not be. */
  #ask(): Promise<void> {
    this.sent++;
    const socket = createSocket("udp4");
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        socket.close(resolve);
      };
      const timer = setTimeout(done, ANSWER_DEADLINE_MS);
      // Refused: nothing listens.
      socket.on("error", done);
      socket.on("message", (bytes) => {
        this.answered++;
        const pid = Number(/^pid=(\d+)/.exec(String(bytes))?.[1]);
        this.byPid.set(pid, (this.byPid.get(pid) ?? 0) + 1);
        done();
      });
      socket.send("?", this.port, "127.0.0.1");
    });
  }

  answersOf(pid: number): Promise<unknown> {
    const from = this.byPid.get(pid) ?? 0;
    return waitUntil(() => (this.byPid.get(pid) ?? 0) > from + this.#clients.length, {
      what: `process ${pid} answers`,
    });
  }

  get text(): string {
    return `${this.answered} of ${this.sent} answered`;
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#clients);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
