/**
 * Stands before a service as a proxy does, and knows of it what an Envoy would: the endpoints in the file of `--front`. It
 * passes bytes on; each new connection goes to the next one of those that are HEALTHY.
 */
import { readFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { parse } from "yaml";

export interface Endpoint {
  /** "127.66.0.1:3000" */
  readonly at: string;
  readonly host: string;
  readonly port: number;
  readonly health: string;
  readonly weight: number;
}

interface Document {
  readonly resources: readonly {
    readonly endpoints: readonly {
      readonly lb_endpoints: readonly {
        readonly health_status: string;
        readonly load_balancing_weight?: number;
        readonly endpoint: {
          readonly address: {
            readonly socket_address: { readonly address: string; readonly port_value: number };
          };
        };
      }[];
    }[];
  }[];
}

export function endpointsIn(file: string): Endpoint[] {
  const { resources } = parse(readFileSync(file, "utf8")) as Document;
  return resources.flatMap(({ endpoints }) => endpoints)
    .flatMap(({ lb_endpoints }) => lb_endpoints)
    .map(({ health_status: health, load_balancing_weight: weight = 1, endpoint }) => {
      const { address: host, port_value: port } = endpoint.address.socket_address;
      return { at: `${host}:${port}`, host, port, health, weight };
    });
}

export class FakeFront implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #turn = 0;

  private constructor(readonly file: string) {
    this.#server = createServer((client) => this.#pass(client));
  }

  static async before(file: string): Promise<FakeFront> {
    const front = new FakeFront(file);
    await new Promise<void>((resolve) => front.#server.listen(0, "127.0.0.1", resolve));
    return front;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** Endpoints that get new connections. */
  get healthy(): Endpoint[] {
    return endpointsIn(this.file).filter(({ health }) => health === "HEALTHY");
  }

  #pass(client: Socket): void {
    const { healthy } = this;
    const next = healthy[this.#turn++ % healthy.length];
    if (next === undefined) return void client.destroy();
    const upstream = connect({ host: next.host, port: next.port });
    for (const [one, other] of [[client, upstream], [upstream, client]] as const) {
      this.#sockets.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        this.#sockets.delete(one);
        other.destroySoon();
      });
      one.pipe(other);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
