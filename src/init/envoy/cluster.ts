/** cds.yaml: the servers behind a front, as Envoy's cluster. A change of it counts at once, without a reload of Envoy. */
import type { FrontSettings } from "../../config/front/settings.ts";
import { type Front, type FrontCluster, watchedFile } from "./front.ts";
import { note, percent, seconds, typed, type YamlMap } from "./yaml_tree.ts";

const HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const POLICIES: Readonly<Record<FrontSettings["loadBalancing"], string>> = {
  "round-robin": "ROUND_ROBIN",
  "ring-hash": "RING_HASH",
  "maglev": "MAGLEV",
  "least-request": "LEAST_REQUEST",
  "random": "RANDOM",
};
/** Retries at a time, as many as requests: with Envoy's own 3, a dead endpoint overflows it at once. */
const MOST_RETRIES = 1_000;

export function clusterOf(settings: FrontSettings, cluster: FrontCluster): YamlMap {
  const { name, inFile, endpoints } = cluster;
  return typed("envoy.config.cluster.v3.Cluster", {
    name,
    type: note("baton writes the endpoints: HEALTHY what serves, DRAINING what drains.", "EDS"),
    eds_cluster_config: {
      service_name: inFile === name ? undefined : inFile,
      eds_config: watchedFile(endpoints),
    },
    connect_timeout: seconds(settings.connectTimeMs),
    lb_policy: POLICIES[settings.loadBalancing],
    common_lb_config: note(
      "panic_percent: with fewer healthy endpoints than this, all get requests.",
      {
        healthy_panic_threshold: percent(settings.panicPercent),
        update_merge_window: note(
          "A canary and a rollback count at once; Envoy's own is 1 s.",
          "0s",
        ),
      },
    ),
    circuit_breakers: note("WebSockets and streams count as requests.", {
      thresholds: [{
        max_connections: settings.breakerConnections,
        max_requests: settings.breakerRequests,
        max_pending_requests: settings.breakerPending,
        max_retries: settings.retryOn === null ? undefined : MOST_RETRIES,
      }],
    }),
    ...outlierDetection(settings),
    ...healthChecks(settings),
    typed_extension_protocol_options: { [HTTP_OPTIONS]: httpOptions(settings) },
  });
}

function httpOptions({ upstream, upstreamIdleTimeMs }: FrontSettings): YamlMap {
  return typed(HTTP_OPTIONS, {
    explicit_http_config: upstream === "http2"
      ? { http2_protocol_options: {} }
      : { http_protocol_options: {} },
    common_http_protocol_options: note(
      "Shorter than the server's own keep-alive time: a request that meets the server's close is lost.",
      { idle_timeout: seconds(upstreamIdleTimeMs) },
    ),
  });
}

function outlierDetection({ ejectAfter, ejectPercent, ejectTimeMs }: FrontSettings): YamlMap {
  if (ejectAfter === 0) return {};
  return {
    outlier_detection: note("Envoy's own 10 % would never take out one of two.", {
      consecutive_5xx: ejectAfter,
      max_ejection_percent: ejectPercent,
      base_ejection_time: seconds(ejectTimeMs),
      interval: note("How often Envoy looks whether one may come back.", "1s"),
    }),
  };
}

function healthChecks(settings: FrontSettings): YamlMap {
  if (settings.check === null) return {};
  return {
    health_checks: [{
      ...checker(settings),
      interval: seconds(settings.checkIntervalMs),
      no_traffic_interval: note(
        "Envoy's own is 60 s: a cluster without requests would not be checked.",
        seconds(settings.checkIntervalMs),
      ),
      timeout: seconds(settings.checkTimeoutMs),
      unhealthy_threshold: settings.unhealthyAfter,
      healthy_threshold: settings.healthyAfter,
    }],
    ignore_health_on_host_removal: note(
      "Without it a removed endpoint keeps its requests while its check passes.",
      true,
    ),
  };
}

function checker({ check, checkIdentity }: FrontSettings): YamlMap {
  switch (check?.kind) {
    case "grpc":
      return { grpc_health_check: check.service === "" ? {} : { service_name: check.service } };
    case "http":
      return {
        http_health_check: {
          path: check.path,
          service_name_matcher: checkIdentity === null
            ? undefined
            : note("What x-envoy-upstream-healthchecked-cluster begins with.", {
              prefix: checkIdentity,
            }),
        },
      };
    default:
      return { tcp_health_check: {} };
  }
}

/** cds.yaml */
export function clustersFile({ settings, clusters }: Front): YamlMap {
  return { resources: clusters.map((cluster) => clusterOf(settings, cluster)) };
}

/** An endpoint file with none: Envoy does not start without the file. It must have exactly one resource. */
export function noEndpoints({ inFile }: FrontCluster): YamlMap {
  const type = "envoy.config.endpoint.v3.ClusterLoadAssignment";
  return { resources: [typed(type, { cluster_name: inFile })] };
}
