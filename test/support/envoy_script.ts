/** The start script of a real Envoy that hands over by its own hot restart, as hot-restarter.py calls it. */
import { chmodSync, rmSync } from "node:fs";
import { request } from "node:http";
import { envoyConfig, type EnvoyOptions, envoyProgram } from "./envoy.ts";
import { required } from "./programs.ts";
import type { TempDir } from "./temp_dir.ts";

/** The first number for --base-id: others use small ones. */
const FIRST_BASE_ID = 50_000;

export interface ScriptOptions {
  readonly drainS?: number;
  readonly shutdownS?: number;
  readonly flags?: readonly string[];
}

interface WithClusters {
  static_resources: { clusters: { load_assignment: object }[] };
}

export class EnvoyScript implements Disposable {
  readonly path: string;
  readonly admin: string;
  readonly #baseId: number;

  constructor(readonly dir: TempDir, readonly port: number, options: ScriptOptions = {}) {
    this.admin = dir.join("admin.sock");
    this.#baseId = FIRST_BASE_ID + port;
    this.path = dir.join("start.sh");
    this.configure();
    this.use(envoyProgram(), options);
  }

  /** The program of the next start. */
  use(
    { path }: { readonly path: string | null },
    { drainS = 1, shutdownS = 2, flags = [] }: ScriptOptions = {},
  ): void {
    const words = [
      required("envoy", path),
      `-c ${this.dir.join("envoy.json")}`,
      "--restart-epoch $RESTART_EPOCH",
      `--base-id ${this.#baseId} --concurrency 2 -l warning`,
      `--drain-time-s ${drainS} --parent-shutdown-time-s ${shutdownS}`,
      ...flags,
    ];
    this.dir.write("start.sh", `#!/bin/sh\nexec ${words.join(" ")}\n`);
    chmodSync(this.path, 0o755);
  }

  /** The configuration of the next start. */
  configure(more: Partial<EnvoyOptions> = {}): void {
    const { admin, port } = this;
    this.dir.write("envoy.json", JSON.stringify(envoyConfig({ admin, port, ...more })));
  }

  /** The next start waits for a control plane that does not answer, for half a minute. */
  configureWaiting(controlPlane: number): void {
    const { admin, port } = this;
    const config = envoyConfig({ admin, port, upstream: controlPlane }) as WithClusters;
    const [app] = config.static_resources.clusters;
    const xds = {
      ...app,
      name: "xds",
      load_assignment: { ...app?.load_assignment, cluster_name: "xds" },
    };
    config.static_resources.clusters.push(xds);
    this.dir.write(
      "envoy.json",
      JSON.stringify({
        ...config,
        dynamic_resources: {
          cds_config: {
            resource_api_version: "V3",
            initial_fetch_timeout: "30s",
            api_config_source: {
              api_type: "GRPC",
              transport_api_version: "V3",
              grpc_services: [{ envoy_grpc: { cluster_name: "xds" } }],
            },
          },
        },
      }),
    );
  }

  breakConfiguration(text: string): void {
    this.dir.write("envoy.json", text);
  }

  /** What its admin interface says of itself: "LIVE 3" for an epoch. */
  state(): Promise<string> {
    return new Promise((resolve, reject) => {
      // A kept connection would lead to the one before.
      request({ socketPath: this.admin, path: "/server_info", agent: false }, (response) => {
        let text = "";
        response.on("data", (bytes) => text += bytes);
        response.on("end", () => {
          const { state, command_line_options } = JSON.parse(text);
          resolve(`${state} ${command_line_options.restart_epoch}`);
        });
      }).on("error", reject).end();
    });
  }

  [Symbol.dispose](): void {
    rmSync(`/dev/shm/envoy_shared_memory_${this.#baseId * 10}`, { force: true });
  }
}
