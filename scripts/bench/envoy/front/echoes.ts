/** Clients with one long-lived stream each, which says something every 50 ms and waits for its echo. */
import { Buffer } from "node:buffer";
import process from "node:process";
import type { FrontLane } from "./client_lines.ts";

const EVERY_MS = 50;
const TIMEOUT_MS = 10_000;
const MOST_ERRORS = 5;

interface Stream {
  send(text: string): void;
  close(): void;
}

interface Handlers {
  readonly onText: (text: string) => void;
  readonly onEnd: (why: string) => void;
}

export type OpenStream = (handlers: Handlers) => Stream;

/** A lane of them. */
export class Echoes {
  readonly lane: { -readonly [F in keyof FrontLane]: FrontLane[F] };
  #isStopping = false;
  readonly #running: Promise<unknown>;

  constructor(name: string, clients: number, readonly open: OpenStream) {
    this.lane = { name, ok: 0, lost: 0, ended: 0, slowestMs: 0, errors: [] };
    this.#running = Promise.all(Array.from({ length: clients }, () => this.#client()));
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  async #client(): Promise<void> {
    while (!this.#isStopping) await this.#stream();
  }

  /** Until it ends. */
  #stream(): Promise<void> {
    return new Promise((resolve) => {
      let said = 0;
      let sentAtMs = 0;
      let isOver = false;
      const over = (why: string | null, isLost: boolean) => {
        if (isOver) return;
        isOver = true;
        clearTimeout(timer);
        if (why !== null) this.#note(why, isLost);
        stream.close();
        // Not at once: the other side may be gone for good.
        setTimeout(resolve, why === null ? 0 : EVERY_MS);
      };
      const say = () => {
        if (this.#isStopping) return over(null, false);
        sentAtMs = performance.now();
        stream.send(String(++said));
        timer = setTimeout(() => over("no echo", true), TIMEOUT_MS);
      };
      const stream = this.open({
        onText: (text) => {
          if (isOver || text !== String(said)) return;
          clearTimeout(timer);
          this.lane.ok++;
          this.lane.slowestMs = Math.max(this.lane.slowestMs, performance.now() - sentAtMs);
          sentAtMs = 0;
          timer = setTimeout(say, EVERY_MS);
        },
        onEnd: (why) => over(why, sentAtMs > 0),
      });
      let timer = setTimeout(say, EVERY_MS);
    });
  }

  #note(why: string, isLost: boolean): void {
    const { lane } = this;
    lane.ended++;
    if (isLost) lane.lost++;
    if (lane.errors.length < MOST_ERRORS) lane.errors = [...lane.errors, why];
  }
}

export function openWebSocket(port: number): OpenStream {
  return ({ onText, onEnd }) => {
    const url = `wss://127.0.0.1:${port}/echo`;
    // Bun's own: the certificate is for this run only.
    const options = { tls: { rejectUnauthorized: false } } as unknown as string[];
    const socket = new WebSocket(url, options);
    const unsent: string[] = [];
    socket.onopen = () => unsent.splice(0).forEach((text) => socket.send(text));
    socket.onmessage = ({ data }) => onText(String(data));
    socket.onclose = ({ code, reason }) => onEnd(`closed with ${code} ${reason}`);
    return {
      send: (text) => socket.readyState === 1 ? socket.send(text) : void unsent.push(text),
      close: () => socket.close(),
    };
  };
}

/** A stream of gRPC on one channel, by the library. */
export async function grpcStreams(port: number): Promise<OpenStream> {
  const { Client, credentials } = await import("@grpc/grpc-js");
  const anyone = { rejectUnauthorized: false, checkServerIdentity: () => undefined };
  const client = new Client(`localhost:${port}`, credentials.createSsl(null, null, null, anyone));
  const same = (bytes: Buffer) => bytes;
  return ({ onText, onEnd }) => {
    const call = client.makeBidiStreamRequest("/bench.Echo/Stream", same, same);
    call.on("data", (bytes: Buffer) => onText(String(bytes)));
    call.on("error", () => {});
    call.on("status", ({ code, details }) => onEnd(`status ${code} ${details}`));
    return { send: (text) => void call.write(Buffer.from(text)), close: () => call.end() };
  };
}

export function printLine(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
