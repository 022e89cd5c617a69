/** A client's connection that is kept for any conversation: bytes out as they are, responses in, whole and exact. */
import { Buffer } from "node:buffer";
import { createConnection, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { waitUntil } from "./wait_until.ts";

const HEAD_END = "\r\n\r\n";
/** An answer that has not come after this time is held back. */
const HELD_MS = 100;

export interface Answer {
  readonly status: number;
  readonly head: string;
  readonly body: Buffer;
}

export class KeptConnection implements Disposable {
  readonly #socket: Socket;
  #bytes = Buffer.alloc(0);
  #ended = false;
  #error: Error | null = null;
  #wake: (() => void) | null = null;

  constructor(port: number, socket: Socket = createConnection({ port, host: "127.0.0.1" })) {
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
      this.#wake?.();
    });
    socket.on("error", (error: Error) => {
      this.#error = error;
      this.#wake?.();
    });
    for (const event of ["end", "close"]) {
      socket.on(event, () => {
        this.#ended = true;
        this.#wake?.();
      });
    }
  }

  get isOpen(): boolean {
    return !this.#ended && this.#error === null;
  }

  /** Bytes that came and were not taken yet. */
  get waiting(): number {
    return this.#bytes.length;
  }

  send(data: string | Uint8Array): void {
    this.#socket.write(data);
  }

  /** @throws {Error} when the connection ends before there are so many bytes */
  async take(length: number): Promise<Buffer> {
    await this.#until(() => this.#bytes.length >= length);
    const taken = this.#bytes.subarray(0, length);
    this.#bytes = this.#bytes.subarray(length);
    return taken;
  }

  async takeThrough(mark: string): Promise<string> {
    await this.#until(() => this.#bytes.includes(mark));
    return (await this.take(this.#bytes.indexOf(mark) + mark.length)).toString("latin1");
  }

  /** One response, by its length or in chunks. */
  async answer(): Promise<Answer> {
    const head = await this.takeThrough(HEAD_END);
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
    if (status === 100 || status === 101) return { status, head, body: Buffer.alloc(0) };
    const length = /^content-length: *(\d+)/im.exec(head)?.[1];
    if (length !== undefined) return { status, head, body: await this.take(Number(length)) };
    const parts: Buffer[] = [];
    for (;;) {
      const size = parseInt(await this.takeThrough("\r\n"), 16);
      const part = await this.take(size + 2);
      if (size === 0) return { status, head, body: Buffer.concat(parts) };
      parts.push(part.subarray(0, size));
    }
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (!this.isOpen) {
        const why = this.#error?.message ?? "it was closed";
        throw new Error(`Cannot read on: ${why}, after ${JSON.stringify(this.#bytes.toString())}`);
      }
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/** Sends one request after the other until one is held back: its answer is still to come. */
export async function askUntilHeldBack(connection: KeptConnection, request: string): Promise<void> {
  do {
    if (connection.waiting > 0) await connection.answer();
    connection.send(request);
    await Promise.race([
      waitUntil(() => connection.waiting > 0, { what: "an answer" }),
      pause(HELD_MS),
    ]);
  } while (connection.waiting > 0);
}
