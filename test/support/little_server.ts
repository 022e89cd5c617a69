/** A server for tests of clients: it misbehaves on demand, and drops what is left of it when it is disposed of. */
import { createServer, type Server, type Socket } from "node:net";

/** What the server does with the nth request (from 0) on a connection. */
export type Misbehaviour = (socket: Socket, nth: number) => void;

/**
 * A TCP server in the test's own process that does to each request what the test says.
 * A request is taken to come in one piece, as the load generator's do.
 */
export class LittleServer implements AsyncDisposable {
  /** Every connection so far. */
  readonly sockets = new Set<Socket>();
  /** The clients' addresses, in order of arrival. */
  readonly peers: string[] = [];
  readonly #server: Server;

  constructor(onRequest: Misbehaviour) {
    this.#server = createServer((socket) => {
      this.sockets.add(socket);
      this.peers.push(socket.remoteAddress ?? "");
      let requests = 0;
      socket.on("error", () => {});
      socket.on("data", () => onRequest(socket, requests++));
    });
  }

  /** Listens on a port of 127.0.0.1 that the kernel chooses, and returns it. */
  listen(): Promise<number> {
    return new Promise((resolve) => {
      this.#server.listen(0, "127.0.0.1", () => {
        resolve((this.#server.address() as { port: number }).port);
      });
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}
