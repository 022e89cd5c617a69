/** Where clients come in: one listener for TCP, and one for QUIC. */
import type { FrontSettings } from "../../config/front/settings.ts";
import { parseOwnAddress } from "../../config/values/listen_spec.ts";
import type { Front } from "./front.ts";
import { httpFilters } from "./http_filters.ts";
import { note, seconds, typed, type YamlMap } from "./yaml_tree.ts";

const DEFAULT_TLS = "*:8443";
const DEFAULT_PLAIN = "*:8080";
const ALT_SVC_S = 86_400;
/**
 * The format of access logs: Envoy's own, shorter, with the generation that has answered: baton writes it into the
 * endpoint file.
 */
const LOG_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" ' +
  "%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% " +
  '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% "%REQ(:AUTHORITY)%" %UPSTREAM_HOST% ' +
  "generation=%METADATA(UPSTREAM_HOST:baton:generation)%\n";
/**
 * How often another endpoint is drawn for a retry: of two endpoints, the same one comes 20 times in a row once in a
 * million.
 */
const MOST_DRAWS = 20;
const TLS = "envoy.extensions.transport_sockets.tls.v3";
const MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

export function listenersOf(front: Front): YamlMap[] {
  const { settings } = front;
  const tcp: YamlMap = {
    name: "clients",
    address: { socket_address: addressOf(settings, "TCP") },
    filter_chains: [{
      filters: [connectionManager(front, "AUTO")],
      transport_socket: settings.certificate === null ? undefined : {
        name: "envoy.transport_sockets.tls",
        typed_config: typed(`${TLS}.DownstreamTlsContext`, {
          common_tls_context: tlsOf(settings, ["h2", "http/1.1"]),
        }),
      },
    }],
  };
  return settings.http3 ? [tcp, quic(front)] : [tcp];
}

function quic(front: Front): YamlMap {
  return {
    name: "clients-http3",
    address: { socket_address: addressOf(front.settings, "UDP") },
    udp_listener_config: { quic_options: {}, downstream_socket_config: { prefer_gro: true } },
    filter_chains: [{
      filters: [connectionManager(front, "HTTP3")],
      transport_socket: {
        name: "envoy.transport_sockets.quic",
        typed_config: typed("envoy.extensions.transport_sockets.quic.v3.QuicDownstreamTransport", {
          downstream_tls_context: { common_tls_context: tlsOf(front.settings, ["h3"]) },
        }),
      },
    }],
  };
}

function tlsOf({ certificate, privateKey }: FrontSettings, protocols: string[]): YamlMap {
  return {
    alpn_protocols: protocols,
    tls_certificates: [{
      certificate_chain: { filename: certificate ?? "" },
      private_key: { filename: privateKey ?? "" },
    }],
  };
}

/** The address for clients, with its default. */
export function clientAddress({ listen, certificate }: FrontSettings) {
  return listen ?? parseOwnAddress(certificate === null ? DEFAULT_PLAIN : DEFAULT_TLS, "listen =");
}

function addressOf(settings: FrontSettings, protocol: "TCP" | "UDP"): YamlMap {
  const { host, port, v6only } = clientAddress(settings);
  const isDual = host === "::" && !v6only;
  return {
    protocol,
    address: host,
    port_value: port,
    ipv4_compat: isDual ? note("IPv4 clients as well.", true) : undefined,
  };
}

function connectionManager(front: Front, codec: "AUTO" | "HTTP3"): YamlMap {
  const { settings } = front;
  const isHttp3 = codec === "HTTP3";
  return {
    name: "envoy.filters.network.http_connection_manager",
    typed_config: typed(MANAGER, {
      stat_prefix: isHttp3 ? "clients_http3" : "clients",
      codec_type: codec,
      ...isHttp3 ? { http3_protocol_options: {} } : {
        http_protocol_options: note("Envoy's own refuses HTTP/1.0 (ab, old checks) with 426.", {
          accept_http_10: true,
        }),
        http2_protocol_options: settings.websockets
          ? note("WebSockets over HTTP/2.", { allow_connect: true })
          : undefined,
      },
      upgrade_configs: settings.websockets ? [{ upgrade_type: "websocket" }] : undefined,
      common_http_protocol_options: { idle_timeout: seconds(settings.idleConnectionTimeMs) },
      stream_idle_timeout: seconds(settings.idleStreamTimeMs),
      server_header_transformation: note("Clients see the server's own.", "PASS_THROUGH"),
      use_remote_address: note(
        "The client is who connects, whatever it says in X-Forwarded-For.",
        true,
      ),
      xff_num_trusted_hops: settings.trustedProxies,
      access_log: settings.accessLog === null ? undefined : [accessLog(settings.accessLog)],
      route_config: routes(front),
      http_filters: httpFilters(front),
    }),
  };
}

function accessLog(path: string): YamlMap {
  const type = "envoy.extensions.access_loggers.file.v3.FileAccessLog";
  const log_format = { text_format_source: { inline_string: LOG_FORMAT } };
  return { name: "envoy.access_loggers.file", typed_config: typed(type, { path, log_format }) };
}

function routes(front: Front): YamlMap {
  const { settings, clusters } = front;
  const { port } = clientAddress(settings);
  const hosts = [...new Set(settings.routes.map(({ host }) => host))].filter((host) =>
    host !== null
  );
  return {
    name: front.service,
    validate_clusters: note("The clusters are in cds.yaml, which is read later.", false),
    response_headers_to_add: settings.http3
      ? [{ header: { key: "alt-svc", value: `h3=":${port}"; ma=${ALT_SVC_S}` } }]
      : undefined,
    virtual_hosts: [...hosts, null].map((host) => ({
      name: host ?? front.service,
      domains: host === null ? ["*"] : [host, `${host}:*`],
      routes: [
        ...settings.routes.filter((route) => route.host === host).sort(byLength)
          .map(({ prefix, cluster }) => routeOf(settings, prefix, cluster)),
        // A host without a route of its own at "/" has the service's.
        ...settings.routes.some((route) => route.host === host && route.prefix === "/")
          ? []
          : clusters.slice(0, 1).map(({ name }) => routeOf(settings, "/", name)),
      ],
    })),
  };
}

/** Sorts the longest prefix first: Envoy takes the first one that fits. */
function byLength(one: { readonly prefix: string }, other: { readonly prefix: string }): number {
  return other.prefix.length - one.prefix.length;
}

function routeOf(settings: FrontSettings, prefix: string, cluster: string): YamlMap {
  return {
    match: { prefix },
    route: {
      cluster,
      timeout: note(
        "For the whole answer. Envoy's own 15 s cuts streams.",
        seconds(settings.requestTimeMs),
      ),
      hash_policy: hashPolicy(settings),
      ...retryPolicy(settings),
    },
  };
}

function hashPolicy({ sticky }: FrontSettings): YamlMap[] | undefined {
  switch (sticky?.kind) {
    case "header":
      return [{ header: { header_name: sticky.name } }];
    case "cookie":
      return [{
        cookie: {
          name: sticky.name,
          ttl: note("A session's: Envoy makes the cookie.", "0s"),
          path: "/",
        },
      }];
    case "address":
      return [{ connection_properties: { source_ip: true } }];
    default:
      return undefined;
  }
}

function retryPolicy({ retryOn, retries }: FrontSettings): YamlMap {
  if (retryOn === null) return {};
  return {
    retry_policy: note("A request that the server has begun may run twice, a POST as well.", {
      retry_on: retryOn,
      num_retries: retries,
      retry_host_predicate: note("Not at the same endpoint again.", [{
        name: "envoy.retry_host_predicates.previous_hosts",
        typed_config: typed("envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"),
      }]),
      host_selection_retry_max_attempts: note(
        "Envoy draws again so often; then the same endpoint gets it after all.",
        MOST_DRAWS,
      ),
    }),
  };
}
