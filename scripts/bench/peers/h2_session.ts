/**
 * One HTTP/2 connection for a load generator: GET only. It obeys
 * GOAWAY, and tells a stream that the server has not processed (8.1, REFUSED_STREAM, or above the last one that GOAWAY
 * names), which any client repeats, from one that is lost.
 */
import { Buffer } from "node:buffer";
import { createConnection, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { type Cause, causeOfCode } from "../../../test/support/tally.ts";

export type StreamEnd =
  | { readonly kind: "answered"; readonly body: string }
  /** The server has not begun with it: it is repeated, and not lost. */
  | { readonly kind: "unprocessed" }
  | { readonly kind: "lost"; readonly cause: Cause; readonly detail: string };

const HEAD_LENGTH = 9;
const FRAME = {
  data: 0,
  headers: 1,
  resetStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
} as const;
const END_STREAM = 0x1;
const ACK = 0x1;
const END_HEADERS = 0x4;
const PADDED = 0x8;
const PRIORITY = 0x20;
const REFUSED_STREAM = 0x7;
const STREAM_ID_MASK = 0x7fffffff;
/** An entry of the static table (RFC 7541, A): ":status: 200", as one byte. */
const STATUS_200 = 0x88;

interface Stream {
  body: string;
  status: "none" | "ok" | "other";
  readonly settle: (end: StreamEnd) => void;
}

export class H2Session {
  /** The client's, with empty settings (RFC 9113, 3.4): a server answers with its own. */
  static readonly PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" +
    "\0\0\0\u0004\0\0\0\0\0";
  /** Whether it takes no more requests. */
  isDraining = false;
  #socket: Socket;
  readonly #request: Buffer;
  readonly #streams = new Map<number, Stream>();
  #received: Buffer = Buffer.alloc(0);
  #nextId = 1;
  #isOpen = true;
  #answered = 0;

  /** @param options without TLS, with prior knowledge (RFC 9113, 3.3), and `GET /`, unless said otherwise */
  constructor(
    port: number,
    source: string,
    readonly timeoutMs: number,
    { tls = false, path = "/" }: { readonly tls?: boolean; readonly path?: string } = {},
  ) {
    this.#request = requestFor(path);
    this.#socket = createConnection({ port, host: "127.0.0.1", localAddress: source });
    if (tls) {
      const options = { ALPNProtocols: ["h2"], servername: "localhost", rejectUnauthorized: false };
      this.#socket = connectTls({ socket: this.#socket, ...options });
    }
    this.#socket.on("data", (bytes: Buffer) => this.#receive(bytes));
    this.#socket.on("error", (error: Error & { code?: string }) => {
      this.#end(causeOfCode(error.code), error.message);
    });
    this.#socket.on("end", () => this.#end("short", "the connection ended"));
    this.#socket.on("close", () => this.#end("short", "the connection was closed"));
    this.#socket.write(H2Session.PREFACE, "latin1");
  }

  /** Whether another request may be sent. */
  get isUsable(): boolean {
    return this.#isOpen && !this.isDraining;
  }

  /** Whether it has carried a whole answer. */
  get wasUsed(): boolean {
    return this.#answered > 0;
  }

  request(): Promise<StreamEnd> {
    const id = this.#nextId;
    this.#nextId += 2;
    return new Promise((resolve) => {
      const timer = setTimeout(
        () => this.#settle(id, lost("timedOut", `${this.timeoutMs} ms passed`)),
        this.timeoutMs,
      );
      const settle = (end: StreamEnd) => {
        clearTimeout(timer);
        resolve(end);
      };
      this.#streams.set(id, { body: "", status: "none", settle });
      this.#socket.write(frame(FRAME.headers, END_STREAM | END_HEADERS, id, this.#request));
    });
  }

  close(): void {
    this.#isOpen = false;
    this.#socket.destroy();
  }

  #receive(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    while (this.#received.length >= HEAD_LENGTH) {
      const length = this.#received.readUIntBE(0, 3);
      if (this.#received.length < HEAD_LENGTH + length) return;
      const payload = this.#received.subarray(HEAD_LENGTH, HEAD_LENGTH + length);
      const [type, flags] = [this.#received[3] ?? 0, this.#received[4] ?? 0];
      const id = this.#received.readUInt32BE(5) & STREAM_ID_MASK;
      this.#received = this.#received.subarray(HEAD_LENGTH + length);
      this.#take(type, flags, id, payload);
    }
  }

  #take(type: number, flags: number, id: number, payload: Buffer): void {
    const stream = this.#streams.get(id);
    if (type === FRAME.settings && (flags & ACK) === 0) {
      this.#socket.write(frame(FRAME.settings, ACK, 0));
    } else if (type === FRAME.ping && (flags & ACK) === 0) {
      this.#socket.write(frame(FRAME.ping, ACK, 0, payload));
    } else if (type === FRAME.goAway) {
      this.#goAway(payload.readUInt32BE(0) & STREAM_ID_MASK);
    } else if (type === FRAME.resetStream) {
      const code = payload.readUInt32BE(0);
      const end = code === REFUSED_STREAM
        ? { kind: "unprocessed" } as const
        : lost("reset", `RST_STREAM with ${code}`);
      this.#settle(id, end);
    } else if (type === FRAME.headers) {
      if (stream?.status === "none") stream.status = isOk(payload, flags) ? "ok" : "other";
      if (flags & END_STREAM) this.#complete(id);
    } else if (type === FRAME.data) {
      if (stream !== undefined) stream.body += payload.toString("latin1");
      if (payload.length > 0) this.#socket.write(windowUpdate(payload.length));
      if (flags & END_STREAM) this.#complete(id);
    }
  }

  #goAway(lastId: number): void {
    this.isDraining = true;
    for (const id of this.#streams.keys()) {
      if (id > lastId) this.#settle(id, { kind: "unprocessed" });
    }
    this.#closeWhenDone();
  }

  #complete(id: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    this.#answered++;
    this.#settle(
      id,
      stream.status === "ok"
        ? { kind: "answered", body: stream.body }
        : lost("unexpected", "a status that is not 200"),
    );
  }

  #settle(id: number, end: StreamEnd): void {
    const stream = this.#streams.get(id);
    this.#streams.delete(id);
    stream?.settle(end);
    this.#closeWhenDone();
  }

  #closeWhenDone(): void {
    if (this.isDraining && this.#streams.size === 0) this.close();
  }

  #end(cause: Cause, detail: string): void {
    this.#isOpen = false;
    for (const id of [...this.#streams.keys()]) this.#settle(id, lost(cause, detail));
    this.#socket.destroy();
  }
}

/** GET, http, and ":path" and ":authority: peers" as literals that stay out of the dynamic table. */
function requestFor(path: string): Buffer {
  return Buffer.concat([
    Buffer.from([0x82, 0x86, 0x04, path.length]),
    Buffer.from(path, "latin1"),
    Buffer.from([0x01, 5]),
    Buffer.from("peers", "latin1"),
  ]);
}

function lost(cause: Cause, detail: string): StreamEnd {
  return { kind: "lost", cause, detail };
}

function frame(type: number, flags: number, id: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(HEAD_LENGTH);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
}

/** Opens the window of the connection: no answer is as long as a stream's own window. */
function windowUpdate(bytes: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(bytes);
  return frame(FRAME.windowUpdate, 0, 0, payload);
}

/** Changes of the dynamic table's size (RFC 7541, 6.3) may stand before the first field, which is the status. */
function isOk(payload: Buffer, flags: number): boolean {
  let at = (flags & PADDED ? 1 : 0) + (flags & PRIORITY ? 5 : 0);
  while (((payload[at] ?? 0) & 0xe0) === 0x20) at++;
  return payload[at] === STATUS_200;
}
