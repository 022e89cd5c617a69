/** A server behind a front, in this process: what it answers can be changed at any time, and it counts what it was asked. */
import { createServer, type Server, type Socket } from "node:net";

export interface Asked {
  readonly method: string;
  readonly path: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly delayMs?: number;
}

/** "hang": no answer. "close": the connection ends without one. "upgrade": 101, then silence. */
export type Reply = Answer | "hang" | "close" | "upgrade";

export class FrontServer {
  readonly requests: Asked[] = [];
  /** The first bytes of each connection. */
  readonly beginnings: string[] = [];
  readonly sockets = new Set<Socket>();
  readonly #server: Server;
  port = 0;
  /** Answers with its name, and to /healthz with 200. */
  reply: (asked: Asked) => Reply = () => ({});

  constructor(readonly name: string) {
    this.#server = createServer((socket) => this.#serve(socket));
  }

  listen(): Promise<void> {
    return new Promise((resolve) =>
      this.#server.listen(0, "127.0.0.1", () => {
        this.port = (this.#server.address() as { port: number }).port;
        resolve();
      })
    );
  }

  close(): void {
    this.#server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  /** How often it was asked for a path. */
  count(path: string): number {
    return this.requests.filter((asked) => asked.path === path).length;
  }

  #serve(socket: Socket): void {
    let unread = "";
    let isFirst = true;
    this.sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.on("close", () => this.sockets.delete(socket));
    socket.on("data", (bytes) => {
      if (isFirst) this.beginnings.push(bytes.toString("latin1"));
      isFirst = false;
      unread += bytes.toString("latin1");
      for (;;) {
        const end = unread.indexOf("\r\n\r\n");
        if (end < 0) return;
        const asked = parse(unread.slice(0, end));
        const length = Number(asked.headers["content-length"] ?? 0);
        if (unread.length < end + 4 + length) return;
        unread = unread.slice(end + 4 + length);
        this.requests.push(asked);
        this.#answer(socket, this.reply(asked));
      }
    });
  }

  #answer(socket: Socket, reply: Reply): void {
    if (reply === "hang") return;
    if (reply === "close") return void socket.destroy();
    if (reply === "upgrade") {
      const head = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade";
      return void socket.write(`${head}\r\n\r\n`);
    }
    const { status = 200, headers = {}, body = this.name, delayMs = 0 } = reply;
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
    const text = `HTTP/1.1 ${status} x\r\ncontent-length: ${body.length}\r\n${lines}\r\n${body}`;
    if (delayMs === 0) socket.write(text);
    else setTimeout(() => socket.write(text), delayMs);
  }
}

function parse(head: string): Asked {
  const [first = "", ...lines] = head.split("\r\n");
  const [method = "", path = ""] = first.split(" ");
  const headers = lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  return { method, path, headers: Object.fromEntries(headers) };
}
