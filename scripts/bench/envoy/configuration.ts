/** The Envoy of `make bench-envoy`: its configuration, its start script, and what is wrong with it in some rows. */
import { chmodSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Where one side has its files, ports and base id. */
export interface Place {
  readonly dir: string;
  readonly port: number;
  readonly tlsPort: number;
  readonly baseId: number;
  readonly certificate: { readonly cert: string; readonly key: string };
}

/** What is wrong with a configuration. */
export type Fault = "syntax" | "certificate" | "port" | "control plane" | "unknown field";

export interface Wanted {
  /** What its answers say. */
  readonly version: string;
  readonly fault?: Fault;
  /** A port that another process holds, for the row about that. */
  readonly heldPort?: number;
}

const DELAYS_S = [2, 3, 5] as const;
const EXTENSIONS = "type.googleapis.com/envoy.extensions";

export const configPath = ({ dir }: Place) => join(dir, "envoy.json");
export const scriptPath = ({ dir }: Place) => join(dir, "start.sh");
export const programPath = ({ dir }: Place) => join(dir, "envoy");
export const accessLogPath = ({ dir }: Place) => join(dir, "access.log");

/** By a rename: what is started next has the whole of it. */
export function writeConfig(place: Place, wanted: Wanted): void {
  const text = JSON.stringify(configuration(place, wanted));
  const aside = `${configPath(place)}.new`;
  writeFileSync(aside, wanted.fault === "syntax" ? text.slice(0, -1) : text);
  renameSync(aside, configPath(place));
}

/** As Envoy's documentation has it for hot-restarter.py; baton gets the same. @param times null: Envoy's own */
export function writeScript(
  place: Place,
  workers: number,
  times: { readonly drainS: number; readonly shutdownS: number } | null,
): void {
  const { drainS, shutdownS } = times ?? {};
  const words = [
    `exec ${programPath(place)} -c ${configPath(place)}`,
    `--restart-epoch $RESTART_EPOCH --base-id ${place.baseId}`,
    `--concurrency ${workers} --log-level error`,
    ...times === null ? [] : [`--drain-time-s ${drainS} --parent-shutdown-time-s ${shutdownS}`],
  ];
  const aside = `${scriptPath(place)}.new`;
  writeFileSync(aside, `#!/bin/sh\n${words.join(" ")}\n`);
  chmodSync(aside, 0o755);
  renameSync(aside, scriptPath(place));
}

function configuration(place: Place, wanted: Wanted): object {
  const { port, tlsPort, certificate } = place;
  const { fault, heldPort = 0 } = wanted;
  const tls = fault === "certificate" ? { ...certificate, cert: "/nowhere/cert.pem" } : certificate;
  return {
    node: { id: "bench", cluster: "bench" },
    admin: { address: { pipe: { path: join(place.dir, "admin.sock") } } },
    static_resources: {
      listeners: [
        listener(place, "plain", port, wanted.version, null),
        listener(place, "tls", tlsPort, wanted.version, tls),
        ...fault === "port" ? [listener(place, "more", heldPort, wanted.version, null)] : [],
      ],
      ...fault === "control plane" ? { clusters: [controlPlane()] } : {},
    },
    ...fault === "control plane" ? { dynamic_resources: dynamicResources() } : {},
    ...fault === "unknown field" ? { listener: [] } : {},
  };
}

function listener(
  place: Place,
  name: string,
  port: number,
  version: string,
  tls: Place["certificate"] | null,
): object {
  const answer = { status: 200, body: { inline_string: `version=${version}\n` } };
  const routes = [
    ...DELAYS_S.map((seconds) => ({
      match: { path: `/slow${seconds}` },
      direct_response: answer,
      typed_per_filter_config: { "envoy.filters.http.fault": fixedDelay(seconds) },
    })),
    { match: { prefix: "/" }, direct_response: answer },
  ];
  const manager = {
    ...typed("filters.network.http_connection_manager.v3.HttpConnectionManager"),
    stat_prefix: name,
    codec_type: "AUTO",
    access_log: [{
      name: "envoy.access_loggers.file",
      typed_config: {
        ...typed("access_loggers.file.v3.FileAccessLog"),
        path: accessLogPath(place),
        log_format: { text_format_source: { inline_string: `${version}\n` } },
      },
    }],
    route_config: { virtual_hosts: [{ name: "all", domains: ["*"], routes }] },
    http_filters: [
      {
        name: "envoy.filters.http.fault",
        typed_config: typed("filters.http.fault.v3.HTTPFault"),
      },
      {
        name: "envoy.filters.http.router",
        typed_config: typed("filters.http.router.v3.Router"),
      },
    ],
  };
  const filters = [{
    name: "envoy.filters.network.http_connection_manager",
    typed_config: manager,
  }];
  return {
    name,
    address: { socket_address: { address: "127.0.0.1", port_value: port } },
    filter_chains: [{ filters, ...tls === null ? {} : { transport_socket: transport(tls) } }],
  };
}

function fixedDelay(seconds: number): object {
  return {
    ...typed("filters.http.fault.v3.HTTPFault"),
    delay: { fixed_delay: `${seconds}s`, percentage: { numerator: 100 } },
  };
}

function transport({ cert, key }: Place["certificate"]): object {
  return {
    name: "envoy.transport_sockets.tls",
    typed_config: {
      ...typed("transport_sockets.tls.v3.DownstreamTlsContext"),
      common_tls_context: {
        alpn_protocols: ["h2", "http/1.1"],
        tls_certificates: [{
          certificate_chain: { filename: cert },
          private_key: { filename: key },
        }],
      },
    },
  };
}

/** Nothing answers there, and Envoy waits for it without end before it is LIVE. */
function controlPlane(): object {
  const address = { socket_address: { address: "127.0.0.1", port_value: 1 } };
  return {
    name: "control",
    type: "STATIC",
    connect_timeout: "1s",
    typed_extension_protocol_options: {
      "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        ...typed("upstreams.http.v3.HttpProtocolOptions"),
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
    load_assignment: {
      cluster_name: "control",
      endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }],
    },
  };
}

function dynamicResources(): object {
  const services = [{ envoy_grpc: { cluster_name: "control" } }];
  const source = { resource_api_version: "V3", initial_fetch_timeout: "0s" };
  return {
    cds_config: {
      ...source,
      api_config_source: { api_type: "GRPC", transport_api_version: "V3", grpc_services: services },
    },
  };
}

function typed(type: string): { readonly "@type": string } {
  return { "@type": `${EXTENSIONS}.${type}` };
}
