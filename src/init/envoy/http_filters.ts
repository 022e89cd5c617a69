/** What each request passes on its way through Envoy, in this order. */
import type { FrontSettings } from "../../config/front/settings.ts";
import type { Front } from "./front.ts";
import { note, percent, seconds, typed, type YamlMap } from "./yaml_tree.ts";

const FILTERS = "envoy.extensions.filters.http";

export function httpFilters(front: Front): YamlMap[] {
  const { settings } = front;
  return [
    ...healthCheck(front),
    ...rateLimit(settings),
    ...settings.grpcWeb ? [filter("grpc_web", "GrpcWeb")] : [],
    filter("router", "Router"),
  ];
}

function filter(name: string, type: string, fields: YamlMap = {}): YamlMap {
  const message = `${FILTERS}.${name}.v3.${type}`;
  return { name: `envoy.filters.http.${name}`, typed_config: typed(message, fields) };
}

/** The three modes of the filter, and the share of a cluster. */
function healthCheck({ settings, clusters: [own] }: Front): YamlMap[] {
  const { healthPath, healthMode, healthMinimum, healthCacheMs } = settings;
  if (healthPath === null) return [];
  return [filter("health_check", "HealthCheck", {
    pass_through_mode: healthMode === "pass" || healthMode === "cached",
    cache_time: healthMode === "cached" ? seconds(healthCacheMs) : undefined,
    cluster_min_healthy_percentages: healthMode === "cluster" && own !== undefined
      ? { [own.name]: percent(healthMinimum) }
      : undefined,
    headers: [{ name: ":path", string_match: { exact: healthPath } }],
  })];
}

function rateLimit({ rateLimit: rate }: FrontSettings): YamlMap[] {
  if (rate === null) return [];
  const all = { default_value: { numerator: 100, denominator: "HUNDRED" } };
  return [filter("local_ratelimit", "LocalRateLimit", {
    stat_prefix: "rate_limit",
    token_bucket: {
      max_tokens: rate.requests,
      tokens_per_fill: rate.requests,
      fill_interval: seconds(rate.perMs),
    },
    filter_enabled: note("Envoy's own is 0 %: without these two lines nothing is limited.", all),
    filter_enforced: all,
  })];
}
