/** Clients of `fixtures/streams.js`: what came on a connection, and when it ended. */
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import { waitUntil } from "./wait_until.ts";

export class StreamClient implements Disposable {
  readonly #socket: Socket;
  text = "";
  /** On the clock of `performance.now()`; null: it is open. */
  endedAtMs: number | null = null;
  /** Pieces that came. */
  pieces = 0;

  constructor(port: number, head: readonly string[]) {
    this.#socket = createConnection({ port, host: "127.0.0.1" });
    this.#socket.on("data", (bytes: Buffer) => {
      this.text += bytes.toString("latin1");
      this.pieces++;
    });
    const end = () => this.endedAtMs ??= performance.now();
    for (const event of ["end", "close"]) this.#socket.on(event, end);
    this.#socket.on("error", end);
    this.#socket.write([...head, "Host: test", "", ""].join("\r\n"));
  }

  /** @param everyMs between two messages of the server */
  static webSocket(port: number, everyMs: number): StreamClient {
    const upgrade = ["Upgrade: websocket", "Connection: Upgrade"];
    return new StreamClient(port, [`GET /push?every=${everyMs} HTTP/1.1`, ...upgrade]);
  }

  /** @param query of `/drip` */
  static download(port: number, query: string): StreamClient {
    return new StreamClient(port, [`GET /drip?${query} HTTP/1.1`]);
  }

  /** A request whose body comes when `send` is called. */
  static upload(port: number, length: number): StreamClient {
    const body = [`Content-Length: ${length}`, "Content-Type: application/octet-stream"];
    return new StreamClient(port, ["PUT / HTTP/1.1", "Expect: 100-continue", ...body]);
  }

  get isOpen(): boolean {
    return this.endedAtMs === null;
  }

  send(text: string): void {
    this.#socket.write(text);
  }

  async waitFor(pattern: RegExp): Promise<void> {
    await waitUntil(() => pattern.test(this.text), { what: `${pattern} in ${this.text}` });
  }

  /** Waits until the stream is being written to. */
  async flows(): Promise<void> {
    const what = () => `more than ${this.pieces} pieces; ended: ${this.endedAtMs}: ${this.text}`;
    await waitUntil(() => this.pieces > 2, { what: "it is being written to" }).catch((error) => {
      throw new Error(`${error.message}: ${what()}`);
    });
  }

  async ended(): Promise<void> {
    if (this.isOpen) await once(this.#socket, "close");
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}
