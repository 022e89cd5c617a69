/**
 * Many fronts in one real Envoy: each has a listener, clusters and servers of its own, made by what `baton init envoy`
 * writes, with one line in it or without. One start of Envoy for all of them.
 */
import { type ChildProcess, spawn } from "node:child_process";
import {
  lstatSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { request } from "node:http";
import { parseConfigText } from "../../../src/config/config_file.ts";
import { readFront } from "../../../src/config/front/settings.ts";
import { bootstrapFile } from "../../../src/init/envoy/bootstrap.ts";
import { clusterOf } from "../../../src/init/envoy/cluster.ts";
import { type Front, frontOf } from "../../../src/init/envoy/front.ts";
import { plain } from "../../../src/init/envoy/yaml_tree.ts";
import type { TempDir } from "../temp_dir.ts";
import { waitUntil } from "../wait_until.ts";
import { FrontServer } from "./front_server.ts";

type Json = { [key: string]: Json } | Json[] | string | number | boolean;

export interface Endpoint {
  readonly port: number;
}

export interface Prepared {
  readonly servers: readonly FrontServer[];
  /** Called at the end. */
  readonly defer: (end: () => void) => void;
}

export interface FrontWanted {
  /** Name in its clusters and files. */
  readonly name: string;
  /** Lines of [front]. */
  readonly lines: string;
  /** A key that is taken out of what is written, wherever it is. */
  readonly removed?: string;
  readonly servers: number;
  /** Its endpoints are in a file. @default true */
  readonly isWatched?: boolean;
  /** @default its servers */
  readonly prepare?: ((parts: Prepared) => Promise<readonly Endpoint[]>) | undefined;
}

/** A cluster of a front: each has servers of its own. */
export interface Place {
  readonly name: string;
  /** Port of its listener. */
  readonly port: number;
  /** Servers of its own cluster. */
  readonly servers: readonly FrontServer[];
  /** Servers of other clusters, by name. */
  readonly others: ReadonlyMap<string, FrontServer>;
  readonly trial: FrontTrial;
}

export class FrontTrial implements AsyncDisposable {
  readonly #servers: FrontServer[] = [];
  readonly #fronts: {
    wanted: FrontWanted;
    front: Front;
    servers: FrontServer[];
    others: Map<string, FrontServer>;
    endpoints: readonly Endpoint[];
  }[] = [];
  readonly #ends: (() => void)[] = [];
  #envoy: ChildProcess | null = null;
  #bootstrap: unknown = null;
  #said = "";

  constructor(readonly dir: TempDir, readonly program: string) {}

  async add(wanted: FrontWanted): Promise<void> {
    const listen = wanted.lines.includes("listen =") ? "" : 'listen = "127.0.0.1:1"';
    const file = parseConfigText(
      `[front]\n${listen}\n${wanted.lines}\n`,
      "baton.toml",
    );
    const front = frontOf(
      { name: wanted.name, front: [] },
      readFront(file),
      () => this.dir.join(`${wanted.name}.yaml`),
    );
    const start = async (name: string) => {
      const server = new FrontServer(name);
      this.#servers.push(server);
      await server.listen();
      return server;
    };
    const servers = await Promise.all(
      Array.from({ length: wanted.servers }, (_, i) => start(`s${i}`)),
    );
    const others = new Map<string, FrontServer>();
    for (const { name } of front.clusters.slice(1)) others.set(name, await start(name));
    const defer = (end: () => void) => void this.#ends.push(end);
    const endpoints = await wanted.prepare?.({ servers, defer }) ?? servers;
    this.#fronts.push({ wanted, front, servers, others, endpoints });
  }

  /** Starts Envoy, and waits until it is live and has all endpoints. */
  async start(): Promise<void> {
    const [listeners, clusters]: [Json[], Json[]] = [[], []];
    for (const { wanted, front, others, endpoints } of this.#fronts) {
      const made = plain(bootstrapFile(front)) as { static_resources: { listeners: Json[] } };
      for (const listener of made.static_resources.listeners) {
        listeners.push(anyPort(without(listener, wanted.removed), wanted.name));
      }
      for (const cluster of front.clusters) {
        const { "@type": _, type, eds_cluster_config, ...fields } = without(
          plain(clusterOf(front.settings, cluster)) as Json,
          wanted.removed,
        ) as { [key: string]: Json };
        const other = others.get(cluster.name);
        if (wanted.isWatched ?? true) {
          clusters.push({ ...fields, type: type!, eds_cluster_config: eds_cluster_config! });
          this.endpoints(cluster.name, endpoints);
        } else {
          const load_assignment = assignment(
            cluster.name,
            other === undefined ? endpoints : [other],
          );
          clusters.push({ ...fields, type: "STATIC", load_assignment });
        }
      }
    }
    await this.run({
      node: { id: "trial", cluster: "trial" },
      admin: { address: { pipe: { path: this.dir.join("admin.sock") } } },
      static_resources: { listeners, clusters },
    });
  }

  /** @param bootstrap with an admin socket in this folder */
  async run(bootstrap: unknown): Promise<void> {
    this.#bootstrap = bootstrap;
    const path = this.dir.write("bootstrap.json", JSON.stringify(bootstrap));
    const words = [
      "-c",
      path,
      "--disable-hot-restart",
      "--concurrency",
      "1",
      "--log-level",
      "warning",
    ];
    const child = spawn(this.program, [...words, "--file-flush-interval-msec", "50"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#envoy = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (bytes) => this.#said += String(bytes));
    }
    await waitUntil(async () => {
      return child.exitCode !== null || child.signalCode !== null ||
        (await this.admin("/ready")).includes("LIVE");
    }, { what: "Envoy is live" });
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(this.#said);
  }

  /** At once, as a kernel without memory would. */
  async kill(): Promise<void> {
    const child = this.#envoy;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  /** After `kill`: listeners have other ports. */
  startAgain(): Promise<void> {
    return this.run(this.#bootstrap);
  }

  /** The endpoints of a watched front, as the baton of a service would write them. */
  endpoints(name: string, endpoints: readonly Endpoint[]): void {
    const text = endpointText(name, endpoints);
    renameSync(this.dir.write(`${name}.new`, text), this.dir.join(`${name}.yaml`));
  }

  /**
   * The same through a link that is exchanged, as Kubernetes changes the files of a volume: the first time the file becomes
   * a link, then no name of its own changes.
   */
  linkEndpoints(name: string, endpoints: readonly Endpoint[]): void {
    const folder = mkdtempSync(this.dir.join(`${name}-`));
    writeFileSync(join(folder, "endpoints.yaml"), endpointText(name, endpoints));
    const [data, file] = [this.dir.join(`${name}.data`), this.dir.join(`${name}.yaml`)];
    symlinkSync(folder, `${data}.new`);
    renameSync(`${data}.new`, data);
    if (lstatSync(file).isSymbolicLink()) return;
    symlinkSync(join(data, "endpoints.yaml"), `${file}.new`);
    renameSync(`${file}.new`, file);
  }

  /** @returns what the admin API answers; empty: nothing */
  admin(path: string, method = "GET"): Promise<string> {
    return new Promise((resolve) => {
      const asked = request({ socketPath: this.dir.join("admin.sock"), path, method }, (answer) => {
        let text = "";
        answer.on("data", (bytes) => text += String(bytes));
        answer.on("end", () => resolve(text));
      });
      asked.on("error", () => resolve(""));
      asked.end();
    });
  }

  async place(name: string): Promise<Place> {
    const found = this.#fronts.find(({ wanted }) => wanted.name === name);
    if (found === undefined) throw new Error(`no front ${name}`);
    const { servers, others } = found;
    return { name, port: await this.portOf(`${name}/clients`), servers, others, trial: this };
  }

  async portOf(listener: string): Promise<number> {
    const { listener_statuses: all } = JSON.parse(await this.admin("/listeners?format=json")) as {
      listener_statuses: {
        name: string;
        local_address: { socket_address: { port_value: number } };
      }[];
    };
    const found = all.find((each) => each.name === listener);
    if (found === undefined) throw new Error(`no listener ${listener} in ${JSON.stringify(all)}`);
    return found.local_address.socket_address.port_value;
  }

  /** Endpoints of a cluster that fail their check, or are ejected. */
  async failed(cluster: string): Promise<string[]> {
    const lines = (await this.admin("/clusters")).split("\n");
    return lines.filter((line) =>
      line.startsWith(`${cluster}::127.`) && /health_flags::\/failed/.test(line)
    );
  }

  output(): string {
    return this.#said;
  }

  file(name: string): string {
    return readFileSync(this.dir.join(name), "utf8");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) server.close();
    for (const end of this.#ends) end();
    await this.kill();
  }
}

function endpointText(name: string, endpoints: readonly Endpoint[]): string {
  const type = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";
  return JSON.stringify({ resources: [{ "@type": type, ...assignment(name, endpoints) }] });
}

function assignment(name: string, endpoints: readonly Endpoint[]): { [key: string]: Json } {
  const lb_endpoints = endpoints.map(({ port }) => ({
    endpoint: { address: { socket_address: { address: "127.0.0.1", port_value: port } } },
    health_status: "HEALTHY",
  }));
  return { cluster_name: name, endpoints: [{ lb_endpoints }] };
}

/** Takes a key out, wherever it is. */
export function without(tree: Json, key: string | undefined): Json {
  if (typeof tree !== "object" || key === undefined) return tree;
  if (Array.isArray(tree)) return tree.map((each) => without(each, key));
  const kept = Object.entries(tree).filter(([name]) => name !== key);
  return Object.fromEntries(kept.map(([name, each]) => [name, without(each, key)]));
}

/** @returns the listener with a name of its own, at a port that the kernel chooses */
function anyPort(listener: Json, name: string): Json {
  const { address, ...rest } = listener as { [key: string]: Json };
  const { socket_address: place } = address as { socket_address: { [key: string]: Json } };
  return {
    ...rest,
    name: `${name}/${rest["name"]}`,
    address: { socket_address: { ...place, port_value: 0 } },
  };
}
