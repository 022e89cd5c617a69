/** DNS questions for the A record of a.test, each from a port of its own and asked once: as datagrams, every fourth over TCP. */
import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { waitUntil } from "./wait_until.ts";

const ANSWER_DEADLINE_MS = 5_000;
const TCP_EVERY = 4;
const PAUSE_MS = 2;
const HEADER = [1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
const QUESTION = [1, 0x61, 4, 0x74, 0x65, 0x73, 0x74, 0, 0, 1, 0, 1];

export class DnsLoad implements AsyncDisposable {
  readonly sent = { udp: 0, tcp: 0 };
  readonly answered = { udp: 0, tcp: 0 };
  #isOver = false;
  #id = 0;
  readonly #clients: Promise<void>[];

  constructor(readonly port: number, clients: number) {
    this.#clients = Array.from({ length: clients }, () => this.#askOn());
  }

  async #askOn(): Promise<void> {
    while (!this.#isOver) {
      const id = this.#id = (this.#id + 1) % 65_536;
      const how = id % TCP_EVERY === 0 ? "tcp" : "udp";
      this.sent[how]++;
      const question = Uint8Array.of(id >> 8, id & 255, ...HEADER, ...QUESTION);
      const answer = await (how === "tcp" ? this.#overTcp(question) : this.#overUdp(question));
      if (answer !== null && answer[0] === id >> 8 && answer[1] === (id & 255)) {
        this.answered[how]++;
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  #overUdp(question: Uint8Array): Promise<Uint8Array | null> {
    const socket = createSocket("udp4");
    return new Promise((resolve) => {
      const timer = setTimeout(() => done(null), ANSWER_DEADLINE_MS);
      const done = (answer: Uint8Array | null) => {
        clearTimeout(timer);
        socket.removeAllListeners();
        socket.close(() => resolve(answer));
      };
      socket.on("error", () => done(null));
      socket.on("message", done);
      socket.send(question, this.port, "127.0.0.1");
    });
  }

  #overTcp(question: Uint8Array): Promise<Uint8Array | null> {
    const socket = connect(this.port, "127.0.0.1");
    let received = new Uint8Array(0);
    return new Promise((resolve) => {
      const done = (answer: Uint8Array | null) => {
        socket.destroy();
        resolve(answer);
      };
      socket.setTimeout(ANSWER_DEADLINE_MS, () => done(null));
      socket.on("error", () => done(null));
      socket.on("close", () => done(null));
      socket.on("data", (bytes: Uint8Array) => {
        received = Uint8Array.of(...received, ...bytes);
        const [high = 0, low = 0] = received;
        if (received.length >= 2 + high * 256 + low) done(received.subarray(2));
      });
      socket.write(Uint8Array.of(0, question.length, ...question));
    });
  }

  /** Until as many again as there are clients are answered. */
  more(): Promise<unknown> {
    const from = this.answered.udp;
    return waitUntil(() => this.answered.udp > from + this.#clients.length, {
      what: "more is answered",
    });
  }

  get text(): string {
    const { sent, answered } = this;
    return `UDP ${answered.udp} of ${sent.udp}, TCP ${answered.tcp} of ${sent.tcp} answered`;
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#clients);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
