/** One question as a datagram, and its answer. */
import { createSocket, type Socket } from "node:dgram";

const ANSWER_DEADLINE_MS = 10_000;

/** @returns null when there is none in time, or the port refuses */
export function askDatagram(port: number, question: string): Promise<string | null> {
  const client = new DatagramClient(port);
  return client.ask(question).finally(() => client[Symbol.dispose]());
}

/** Asks from one port, one question at a time. */
export class DatagramClient implements Disposable {
  readonly #socket: Socket = createSocket("udp4");

  constructor(readonly port: number) {}

  ask(question: string): Promise<string | null> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => done(null), ANSWER_DEADLINE_MS);
      const done = (answer: string | null) => {
        clearTimeout(timer);
        this.#socket.removeAllListeners();
        resolve(answer);
      };
      this.#socket.once("error", () => done(null));
      this.#socket.once("message", (bytes) => done(String(bytes)));
      this.#socket.send(question, this.port, "127.0.0.1");
    });
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }
}

/** The process that has answered. */
export function answerer(answer: string | null): number {
  return Number(/^pid=(\d+)/.exec(answer ?? "")?.[1]);
}
