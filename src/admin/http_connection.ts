/**
 * One request and its response over a connected socket, which is then closed. Bounded in bytes and time: what is too slow
 * or too long gets an answer that says so, if the client reads it.
 */
import { concatBytes } from "../platform/bytes.ts";
import type { Timer } from "../platform/clock.ts";
import { errorText } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { formatAddress } from "../platform/network/address.ts";
import type { Platform } from "../platform/platform.ts";
import type { Watch } from "../platform/reactor.ts";
import {
  CONTINUE_RESPONSE,
  encodeResponse,
  encodeStreamHead,
  MAX_BODY_BYTES,
  MAX_HEAD_BYTES,
  parseRequest,
} from "./http1.ts";

/** A request must be complete within this time. */
const REQUEST_TIMEOUT_MS = 5_000;
/** A client that takes longer to read its response is closed; one that reads a stream, when it is too far behind. */
const RESPONSE_TIMEOUT_MS = 30_000;
/** How long the rest of a request is read that was refused before its end. */
const LINGER_MS = 1_000;
const READ_SIZE = 16 * 1024;
const JSON_TYPE = "application/json";
/** A response whose body is sent as it comes; its source bounds the number of readers, and what waits for each. */
const STREAM_TYPE = "text/event-stream";

/** A hono app, or another handler with its signature. @param client where the request comes from, for the log */
export type FetchHandler = (
  request: Request,
  client: () => string,
) => Response | Promise<Response>;

export class HttpConnection {
  #received = new Uint8Array(0);
  #pending = new Uint8Array(0);
  #answering = false;
  /** Whether the request was not read to its end. */
  #lingers = false;
  /** Where the rest of the response comes from. */
  #stream: ReadableStreamDefaultReader<Uint8Array> | null = null;
  readonly #watch: Watch;
  #timeout: Timer;

  constructor(
    readonly platform: Platform,
    readonly socket: Fd,
    readonly handler: FetchHandler,
    readonly onClose: () => void,
  ) {
    this.#watch = platform.reactor.watch(socket, ({ readable, writable }) => {
      if (this.#pending.length > 0 && writable) this.#flush();
      else if (readable) this.#read();
      else this.close();
    });
    this.#timeout = platform.clock.after(
      REQUEST_TIMEOUT_MS,
      () => this.#respond(408, JSON_TYPE, problem("request not complete in time")),
    );
  }

  /** Whether the client is sending its request, or receiving its response. */
  get isTransferring(): boolean {
    return !this.#answering || (this.#pending.length > 0 && !this.isStreaming);
  }

  /** Whether its request is not complete, or was refused. */
  get isSilent(): boolean {
    return !this.#answering || this.#lingers;
  }

  /** Whether its response waits for it to read. */
  get isSlow(): boolean {
    return this.#pending.length > 0;
  }

  get isStreaming(): boolean {
    return this.#stream !== null;
  }

  #read(): void {
    let bytes: Uint8Array | null;
    try {
      bytes = this.platform.descriptors.read(this.socket, new Uint8Array(READ_SIZE));
    } catch {
      return this.close();
    }
    if (bytes === null) return this.#watch.arm();
    if (this.#lingers && bytes.length === 0) return this.close();
    // The client has shut down its sending side. If it still waits (`nc -N`), it gets its response; if it has closed, the
    // kernel reports a hang-up, and a reload that it requested continues.
    if (bytes.length === 0) return this.#answering ? this.#watch.arm({}) : this.close();
    if (this.#answering) return this.#watch.arm();
    const received = concatBytes(this.#received, bytes);
    this.#received = received;
    const result = received.length > MAX_HEAD_BYTES + MAX_BODY_BYTES + READ_SIZE
      ? { kind: "invalid", status: 413, message: "request is too long" } as const
      : parseRequest(received);
    if (result.kind === "incomplete") return result.continues ? this.#letSend() : this.#watch.arm();
    if (result.kind === "invalid") {
      this.#lingers = true;
      return this.#respond(result.status, JSON_TYPE, problem(result.message));
    }
    this.#timeout.cancel();
    this.#answering = true;
    this.#watch.arm();
    const { method, target, headers, body } = result.request;
    this.#received = new Uint8Array(0);
    const init: RequestInit = { method, headers: Object.fromEntries(headers) };
    if (method !== "GET" && method !== "HEAD") init.body = new Uint8Array(body);
    this.#answer(`http://baton${target}`, init);
  }

  #letSend(): void {
    try {
      this.platform.descriptors.write(this.socket, CONTINUE_RESPONSE);
      this.#watch.arm();
    } catch {
      // The client has disconnected.
      this.close();
    }
  }

  async #answer(url: string, init: RequestInit): Promise<void> {
    try {
      const response = await this.handler(new Request(url, init), () => this.#client());
      const type = response.headers.get("content-type") ?? JSON_TYPE;
      if (response.body !== null && type.startsWith(STREAM_TYPE)) {
        return this.#beginStream(
          response.body,
          encodeStreamHead(response.status, type, response.headers),
        );
      }
      const body = new Uint8Array(await response.arrayBuffer());
      this.#respond(response.status, type, init.method === "HEAD" ? null : body, response.headers);
    } catch (error) {
      this.#respond(500, JSON_TYPE, problem(errorText(error)));
    }
  }

  #respond(status: number, type: string, body: Uint8Array | null, headers = new Headers()): void {
    if (!this.socket.isOpen) return;
    this.#timeout.cancel();
    this.#answering = true;
    this.#pending = new Uint8Array(encodeResponse(status, type, body, headers));
    this.#timeout = this.platform.clock.after(RESPONSE_TIMEOUT_MS, () => this.close());
    this.#flush();
  }

  #client(): string {
    const { sockets } = this.platform;
    try {
      const address = sockets.peerAddress(this.socket);
      if (address !== null) return formatAddress(address);
      return `user ${sockets.peerCredentials(this.socket).uid}`;
    } catch {
      return "a client that has left";
    }
  }

  #beginStream(body: ReadableStream<Uint8Array>, head: Uint8Array): void {
    this.#stream = body.getReader();
    // The client was too slow: the socket may never be writable again.
    this.#stream.closed.catch(() => this.close());
    if (!this.socket.isOpen) return this.#endStream();
    this.#pending = new Uint8Array(head);
    this.#flush();
  }

  /** Asks for the next part only when this one is sent: what waits is bounded by its source. */
  async #sendNextPart(): Promise<void> {
    const { done, value } = await this.#stream?.read() ?? { done: true };
    if (done || value === undefined || !this.socket.isOpen) return this.close();
    this.#pending = new Uint8Array(value);
    this.#flush();
  }

  #endStream(): void {
    this.#stream?.cancel().catch(() => {});
    this.#stream = null;
  }

  #flush(): void {
    try {
      while (this.#pending.length > 0) {
        const count = this.platform.descriptors.write(this.socket, this.#pending);
        if (count === null) return this.#watch.arm({ write: true });
        this.#pending = this.#pending.subarray(count);
      }
    } catch {
      // The client has disconnected.
      return this.close();
    }
    if (this.#stream === null && (this.#lingers || this.#hasUnread())) return this.#linger();
    if (this.#stream === null) return this.close();
    this.#watch.arm();
    this.#sendNextPart().catch(() => this.close());
  }

  /** Whether the client has sent more than its request. */
  #hasUnread(): boolean {
    try {
      const bytes = this.platform.descriptors.read(this.socket, new Uint8Array(1));
      return bytes !== null && bytes.length > 0;
    } catch {
      return false;
    }
  }

  /** A close with unread data would take the response back: tcp(7) sends a reset then. */
  #linger(): void {
    this.#lingers = true;
    this.#timeout.cancel();
    try {
      this.platform.sockets.endSending(this.socket);
    } catch {
      // The client has disconnected.
      return this.close();
    }
    this.#timeout = this.platform.clock.after(LINGER_MS, () => this.close());
    this.#watch.arm();
  }

  close(): void {
    if (!this.socket.isOpen) return;
    this.#endStream();
    this.#timeout.cancel();
    this.#watch.cancel();
    this.socket.close();
    this.onClose();
  }
}

function problem(message: string): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ error: message }));
}
