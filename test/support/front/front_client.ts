/** A client of a front, in this process: one request on a connection of its own, which ends at the end of the answer. */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

export interface Got {
  /** 0: no answer. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Request {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly version?: string;
}

const NONE: Got = { status: 0, headers: {}, body: "" };

/** @returns the whole answer; status 0 when there is none */
export function ask(port: number, path = "/", request: Request = {}): Promise<Got> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    let received = "";
    const done = (got: Got) => {
      socket.destroy();
      resolve(got);
    };
    socket.on("connect", () => socket.write(requestText(path, request)));
    socket.on("data", (bytes) => {
      received += bytes.toString("latin1");
      const got = parse(received);
      if (got !== null) done(got);
    });
    socket.on("error", () => done(NONE));
    socket.on("close", () => done(NONE));
  });
}

export function requestText(path: string, request: Request = {}): string {
  const { method = "GET", headers = {}, body = "", version = "1.1" } = request;
  const all = {
    host: "front.test",
    ...body !== "" && { "content-length": String(body.length) },
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return `${method} ${path} HTTP/${version}\r\n${lines}\r\n${body}`;
}

/** @returns null: it is not whole yet */
function parse(text: string): Got | null {
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const [first = "", ...lines] = text.slice(0, end).split("\r\n");
  const status = Number(first.split(" ")[1]);
  const headers = Object.fromEntries(lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  }));
  const length = Number(headers["content-length"] ?? 0);
  const body = text.slice(end + 4);
  if (status === 101 || body.length >= length) return { status, headers, body };
  return null;
}

/** One after the other. */
export async function askTimes(
  count: number,
  port: number,
  path = "/",
  request: Request = {},
): Promise<Got[]> {
  const all: Got[] = [];
  while (all.length < count) all.push(await ask(port, path, request));
  return all;
}

/** All at once. */
export function askAtOnce(
  count: number,
  port: number,
  path = "/",
  request: Request = {},
): Promise<Got[]> {
  return Promise.all(Array.from({ length: count }, () => ask(port, path, request)));
}

/** "200 200 503" */
export function statuses(all: readonly Got[]): string {
  return all.map(({ status }) => status).sort().join(" ");
}

/** A connection that a request was made on, and that is kept. */
export class Kept {
  isClosed = false;
  received = "";
  readonly socket: Socket;

  constructor(port: number, text: string | Uint8Array) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.on("connect", () => this.socket.write(text));
    this.socket.on("data", (bytes) => this.received += bytes.toString("latin1"));
    this.socket.on("error", () => this.isClosed = true);
    this.socket.on("close", () => this.isClosed = true);
  }

  close(): void {
    this.socket.destroy();
  }
}

/** @returns the protocol that TLS has agreed on, or "no TLS" */
export function tlsProtocol(port: number): Promise<string> {
  return new Promise((resolve) => {
    const ALPNProtocols = ["h2", "http/1.1"];
    const socket = connectTls({
      port,
      host: "127.0.0.1",
      ALPNProtocols,
      rejectUnauthorized: false,
    });
    socket.on("secureConnect", () => {
      resolve(socket.alpnProtocol || "TLS");
      socket.destroy();
    });
    socket.on("error", () => resolve("no TLS"));
    socket.on("close", () => resolve("no TLS"));
  });
}
