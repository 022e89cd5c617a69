/**
 * The HTTP interface to a running baton, as one hono app behind both doors: the control socket, and the address of
 * `--admin`. `routes/` has what it serves.
 */
import type { Hono } from "hono";
import type { AdminParts } from "./admin_parts.ts";
import { CounterBase } from "./routes/counter_base.ts";
import { mountEnvoy } from "./routes/envoy.ts";
import { helpText, mountOpenApi } from "./routes/openapi.ts";
import { guard } from "./guard.ts";
import { mountPage } from "./routes/page.ts";
import { type AdminEnv, Routes } from "./routes/routes.ts";
import { mountMetrics } from "./routes/metrics.ts";
import { mountEvents } from "./routes/events.ts";
import { mountV1 } from "./routes/v1.ts";

export function adminApp(parts: AdminParts): Hono<AdminEnv> {
  const routes = new Routes();
  const { app } = routes;
  const counterBase = new CounterBase();
  app.use(guard(parts));
  mountV1(routes, parts);
  mountMetrics(routes, parts, counterBase);
  mountEvents(routes, parts);
  mountPage(routes, parts);
  mountEnvoy(routes, parts, counterBase);
  mountOpenApi(routes, parts.facts.version);
  routes.refuseOtherMethods();
  app.notFound((context) => {
    const { path } = context.req;
    if (path.startsWith("/v1/")) return context.json({ error: `no such path: ${path}` }, 404);
    return context.text(`invalid path. ${helpText(routes.specs)}`, 404);
  });
  app.onError((error, context) => context.json({ error: error.message }, 500));
  return app;
}
