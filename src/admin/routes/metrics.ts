/** Metrics: the text that Prometheus scrapes, by its usual path and by Envoy's, and Envoy's /stats. */
import * as v from "valibot";
import type { TextForm } from "../../metrics/exposition.ts";
import type { AdminParts } from "../admin_parts.ts";
import type { CounterBase } from "./counter_base.ts";
import { envoyState } from "./envoy_state.ts";
import type { Routes } from "./routes.ts";

const maybe = v.exactOptional;
const JSON_TYPE = "application/json";
const OPENMETRICS = "application/openmetrics-text";

/** Envoy's parameters; those without a value are there or not. Others of Envoy's are accepted, and change nothing. */
const STATS_QUERY = v.strictObject({
  filter: maybe(v.string()),
  format: maybe(v.string()),
  type: maybe(v.string()),
  usedonly: maybe(v.string()),
  text_readouts: maybe(v.string()),
  histogram_buckets: maybe(v.string()),
  hidden: maybe(v.string()),
});

export function mountMetrics(routes: Routes, parts: AdminParts, counterBase: CounterBase): void {
  /** @param accept null: the text of Prometheus, whatever the client reads */
  const scrape = async (accept: string | null, query: Readonly<Record<string, string>>) => {
    const { parseStatsQuery, textFormFor, usedFamilies } = await load();
    const asked = parseStatsQuery({ ...query, format: "prometheus" });
    if (typeof asked === "string") return plain(asked, 400);
    const form: TextForm = textFormFor(accept);
    const { expose } = await import("../../metrics/exposition.ts");
    const { text, contentType } = await expose(usedFamilies(await families(parts), asked), form);
    return new Response(text, { headers: { "content-type": contentType } });
  };

  for (const path of ["/metrics", "/stats/prometheus"] as const) {
    routes.add({
      method: "GET",
      path,
      summary: "metrics for Prometheus, as OpenMetrics if that is asked for",
      query: STATS_QUERY,
      replies: {
        200: { what: "The metrics", schema: null, also: [OPENMETRICS] },
        400: { what: "A parameter is wrong", schema: null, also: [JSON_TYPE] },
      },
    }, (query, context) => scrape(context.req.header("accept") ?? null, query));
  }

  routes.add({
    method: "GET",
    path: "/stats",
    summary: "metrics as Envoy lists them",
    query: STATS_QUERY,
    replies: {
      200: { what: "The metrics", schema: null, also: [JSON_TYPE] },
      400: { what: "A parameter is wrong", schema: null, also: [JSON_TYPE] },
    },
  }, async (query) => {
    const { parseStatsQuery, statsAnswer } = await load();
    const asked = parseStatsQuery(query);
    if (typeof asked === "string") return plain(asked, 400);
    if (asked.format === "prometheus") return await scrape(null, query);
    const registry = { read: () => counterBase.since(parts.registry.read()) };
    const all = [...await serverFamilies(parts), ...await families({ ...parts, registry })];
    const text = statsAnswer(all, asked);
    if (asked.format === "text") return plain(text, 200);
    return new Response(text, { headers: { "content-type": JSON_TYPE } });
  });
}

/** Loads what makes metrics when they are asked for: no start, and no idle baton, pays for it. */
async function load() {
  return {
    ...await import("../../metrics/accept.ts"),
    ...await import("../../metrics/envoy_stats.ts"),
  };
}

async function families({ supervisor, registry }: AdminParts) {
  const { familiesOf } = await import("../../metrics/families.ts");
  const { ownUsage } = await import("../../platform/own_usage.ts");
  const summary = supervisor.summary();
  return familiesOf({ samples: registry.read(), summary, usage: ownUsage(summary.pid) });
}

async function serverFamilies(parts: AdminParts) {
  const { serverFacts, serverFamilies } = await import("../../metrics/envoy_server.ts");
  const { ownUsage } = await import("../../platform/own_usage.ts");
  const summary = parts.supervisor.summary();
  return serverFamilies(serverFacts(summary, envoyState(parts), ownUsage(summary.pid)));
}

function plain(text: string, status: number): Response {
  return new Response(text, { status, headers: { "content-type": "text/plain; charset=UTF-8" } });
}
