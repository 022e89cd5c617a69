/** Plays the administration interface of an Envoy that reads an endpoint file, in this process, and misbehaves on demand. */
import { existsSync, readFileSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";

interface Host {
  readonly health_status: string;
  readonly load_balancing_weight: number;
  readonly endpoint: { readonly address: { readonly socket_address: HostAddress } };
  readonly metadata: { filter_metadata: { baton: { service: string; generation: string } } };
}

interface HostAddress {
  readonly address: string;
  readonly port_value: number;
}

/** What it does with a new file, or with a question. */
type Manner =
  | "follows"
  /** Keeps what it had, and counts that. */
  | "rejects"
  /** Keeps what it had. */
  | "reads nothing"
  | "hangs"
  /** Its own health check of each new host fails. */
  | "finds new ones sick"
  /** Knows its clusters as text only. */
  | "is old";

/** @returns the hosts in an endpoint file, as "127.64.0.1:3000 HEALTHY 1" */
export function hostsIn(text: string): string[] {
  return hostsOf(text).map((host) => {
    const { address, port_value } = host.endpoint.address.socket_address;
    return `${address}:${port_value} ${host.health_status} ${host.load_balancing_weight}`;
  });
}

function hostsOf(text: string): Host[] {
  const [assignment] = JSON.parse(text).resources;
  const localities: { lb_endpoints: Host[] }[] = assignment?.endpoints ?? [];
  return localities.flatMap(({ lb_endpoints }) => lb_endpoints);
}

export class FakeEnvoy implements AsyncDisposable {
  manner: Manner = "follows";
  policy = "ROUND_ROBIN";
  clusterName = "web";
  /** How often it was asked for its clusters. */
  asked = 0;
  /** Requests to each generation: how many, and how many of them have failed. */
  readonly answers = new Map<string, { ok: number; failed: number }>();
  #text = "";
  #refused = "";
  #rejected = 0;
  #server: Server | null = null;

  constructor(readonly file: string, readonly socket: string) {}

  async start(): Promise<this> {
    this.#server = createServer(({ url = "" }, answer) => this.#answer(url, answer));
    await new Promise<void>((resolve) => this.#server?.listen(this.socket, resolve));
    return this;
  }

  /** Its process is gone, and its socket with it. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    server?.closeAllConnections();
    await new Promise<void>((resolve) =>
      server === null ? resolve() : server.close(() => resolve())
    );
  }

  /** What it leads requests to, as "127.64.0.1:3000 HEALTHY 1". */
  get hosts(): string[] {
    this.#read();
    return this.#text === "" ? [] : hostsIn(this.#text);
  }

  #read(): void {
    if (this.manner === "reads nothing" || !existsSync(this.file)) return;
    const text = readFileSync(this.file, "utf8");
    if (this.manner !== "rejects") this.#text = text;
    else if (text !== this.#text && text !== this.#refused) {
      this.#refused = text;
      this.#rejected++;
    }
  }

  #answer(url: string, answer: ServerResponse): void {
    if (this.manner === "hangs") return;
    this.#read();
    const body = url.startsWith("/server_info")
      ? JSON.stringify({ version: `${"0f".repeat(20)}/${this.#version}/Clean/RELEASE/BoringSSL` })
      : url.startsWith("/clusters")
      ? this.manner === "is old"
        ? "web::default_priority::max_connections::1024\n"
        : this.#clusters()
      : url.startsWith("/stats")
      ? this.#stats()
      : this.#dump();
    answer.end(body);
  }

  get #version(): string {
    return this.manner === "is old" ? "1.8.0" : "1.40.0";
  }

  #stats(): string {
    const cluster = `cluster.${this.clusterName}`;
    const checks = this.manner === "finds new ones sick"
      ? `${cluster}.health_check.attempt: 1\n`
      : "";
    return `${checks}${cluster}.update_rejected: ${this.#rejected}\n`;
  }

  #clusters(): string {
    this.asked++;
    const hosts = this.#text === "" ? [] : hostsOf(this.#text);
    const newest = hosts.at(-1);
    const host_statuses = hosts.map((host) => {
      const { ok, failed } = this.answers.get(host.metadata.filter_metadata.baton.generation) ??
        { ok: 0, failed: 0 };
      const fails = this.manner === "finds new ones sick" && host === newest;
      return {
        address: host.endpoint.address,
        weight: host.load_balancing_weight,
        stats: [
          { name: "rq_success", value: String(ok) },
          { name: "rq_error", value: String(failed) },
        ],
        health_status: {
          eds_health_status: host.health_status,
          ...fails && { failed_active_health_check: true },
        },
      };
    });
    return JSON.stringify({ cluster_statuses: [{ name: this.clusterName, host_statuses }] });
  }

  #dump(): string {
    return JSON.stringify({
      configs: [{ cluster: { name: this.clusterName, lb_policy: this.policy } }],
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
