/**
 * kube-proxy, or any balancer of connections: sends each new one to the next of its endpoints, learns of changes
 * late, and keeps the flows that it has, also to endpoints that it has forgotten. Passes on FIN and RST as they come.
 */
import { connect, createServer, type Server, type Socket } from "node:net";

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export class Balancer implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #endpoints: Endpoint[] = [];
  #next = 0;

  private constructor(server: Server) {
    this.#server = server;
    server.on("connection", (client) => this.#forward(client));
  }

  /** Listens at a free port of 127.0.0.1. */
  static async open(): Promise<Balancer> {
    const server = createServer({ allowHalfOpen: true });
    const balancer = new Balancer(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return balancer;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  /** From now on; the caller is the one who is late. */
  add(endpoint: Endpoint): void {
    this.#endpoints.push(endpoint);
  }

  remove(endpoint: Endpoint): void {
    this.#endpoints = this.#endpoints.filter((each) => each !== endpoint);
  }

  #forward(client: Socket): void {
    const endpoint = this.#endpoints[this.#next++ % this.#endpoints.length];
    if (endpoint === undefined) return void client.resetAndDestroy();
    const server = connect({ ...endpoint, allowHalfOpen: true, noDelay: true });
    client.setNoDelay(true);
    for (const [from, to] of [[client, server], [server, client]] as const) {
      this.#sockets.add(from);
      from.on("data", (bytes) => {
        if (!to.write(bytes)) from.pause();
      });
      to.on("drain", () => from.resume());
      from.on("end", () => to.end());
      from.on("error", () => to.resetAndDestroy());
      from.on("close", () => this.#sockets.delete(from));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
