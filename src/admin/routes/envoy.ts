/**
 * Envoy's part of the admin API: its names, verbs, statuses and bodies, compared with Envoy 1.40 by a test. What reads
 * answers to any method there; what changes something, to POST only. No parameter that is not known is refused.
 *
 * Where Envoy would lose connections baton does not: /drain_listeners never closes a listener with clients in its queue,
 * and /quitquitquit drains first.
 */
import * as v from "valibot";
import type { AdminParts } from "../admin_parts.ts";
import type { CounterBase } from "./counter_base.ts";
import { envoyState } from "./envoy_state.ts";
import type { Routes } from "./routes.ts";

const OK = "OK\n";
const DONE = { 200: { what: "OK", schema: null } } as const;
/** A parameter without a value, which is there, or not. */
const given = (what: string) => v.exactOptional(v.pipe(v.string(), v.description(what)));

const SERVER_INFO = v.object({
  version: v.string(),
  state: v.string(),
  uptime_current_epoch: v.string(),
  uptime_all_epochs: v.string(),
  hot_restart_version: v.string(),
  command_line_options: v.looseObject({ restart_epoch: v.number() }),
  node: v.looseObject({ id: v.string(), cluster: v.string() }),
});

const LISTENER_STATUSES = v.object({
  listener_statuses: v.array(v.object({
    name: v.string(),
    local_address: v.looseObject({}),
  })),
});

export function mountEnvoy(routes: Routes, parts: AdminParts, counterBase: CounterBase): void {
  mountChanges(routes, parts, counterBase);
  mountState(routes, parts);
}

function mountChanges(routes: Routes, parts: AdminParts, counterBase: CounterBase): void {
  const { supervisor, pod } = parts;
  const change = (
    path: string,
    summary: string,
    act: () => void,
    query: Parameters<Routes["add"]>[0]["query"] = null,
  ) =>
    routes.add({ method: "POST", path, summary, query, replies: DONE }, (_, context) => {
      act();
      return context.text(OK);
    });

  change("/healthcheck/fail", "cause the server to fail health checks", () => pod.failByHand(true));
  change("/healthcheck/ok", "cause the server to pass health checks", () => pod.failByHand(false));
  change(
    "/drain_listeners",
    "drain listeners: no longer ready, and wait until the traffic has drained",
    () => void pod.drain(),
    v.object({
      graceful: given(
        "Accepted, and always so: baton closes no listener with clients in its queue",
      ),
      skip_exit: given("Accepted, and always so: listeners are not stopped"),
      inboundonly: given("Accepted: all listeners are inbound"),
    }),
  );
  change("/quitquitquit", "exit the server, after a drain, as TERM does", () => pod.stop());
  change("/reopen_logs", "reopen logs, as SIGUSR1 does", () => supervisor.reopenLogs());
  change(
    "/reset_counters",
    "let /stats count from zero; /stats/prometheus never goes back",
    () => counterBase.reset(parts.registry.read()),
  );
}

function mountState(routes: Routes, parts: AdminParts): void {
  const { supervisor, facts } = parts;
  const read = { method: "GET", anyMethod: true, query: null } as const;
  routes.add({
    ...read,
    path: "/ready",
    summary: "print server state, return 200 if LIVE, otherwise return 503",
    replies: {
      200: { what: "LIVE", schema: null },
      503: { what: "PRE_INITIALIZING, INITIALIZING or DRAINING", schema: null },
    },
  }, (_, context) => {
    const state = envoyState(parts);
    return context.text(`${state}\n`, state === "LIVE" ? 200 : 503);
  });
  routes.add({
    ...read,
    path: "/hot_restart_version",
    summary: "print the hot restart compatibility version",
    replies: { 200: { what: "The version", schema: null } },
  }, (_, context) => context.text(facts.hotRestartVersion));
  routes.add({
    ...read,
    path: "/server_info",
    summary: "print server version/status information",
    replies: { 200: { what: "The information", schema: SERVER_INFO } },
  }, () => json(serverInfo(parts)));
  routes.add({
    ...read,
    path: "/listeners",
    summary: "print listener info",
    query: v.object({ format: given("File format to use; One of (text, json)") }),
    replies: {
      200: {
        what: "A line each, NAME::ADDRESS; or JSON",
        schema: LISTENER_STATUSES,
        also: ["text/plain"],
      },
    },
  }, ({ format }, context) => {
    const addresses = supervisor.snapshot().listeners.map(({ address }) => address);
    if (format !== "json") {
      return context.text(addresses.map((each) => `${each}::${each}\n`).join(""));
    }
    return json({
      listener_statuses: addresses.map((name) => ({ name, local_address: addressOf(name) })),
    });
  });
}

function serverInfo(parts: AdminParts): v.InferOutput<typeof SERVER_INFO> {
  const { version, name, epoch, startedAt, generations } = parts.supervisor.summary();
  const { nowMs, hotRestartVersion, drainTimeMs, parentShutdownTimeMs } = parts.facts;
  const since = (date: string) => seconds(nowMs() - Date.parse(date));
  const current = generations.find((each) => each.epoch === epoch);
  return {
    version,
    state: envoyState(parts),
    uptime_current_epoch: since(current?.startedAt ?? startedAt),
    uptime_all_epochs: since(startedAt),
    hot_restart_version: hotRestartVersion,
    command_line_options: {
      restart_epoch: epoch ?? 0,
      drain_time: seconds(drainTimeMs),
      parent_shutdown_time: seconds(parentShutdownTimeMs),
    },
    node: { id: "", cluster: name, user_agent_name: "baton" },
  };
}

function seconds(ms: number): string {
  return `${Math.max(0, Math.round(ms / 1000))}s`;
}

/** @param text "127.0.0.1:80", "[::1]:80", "udp:127.0.0.1:53", "unix:/run/web.sock" */
function addressOf(text: string): object {
  const inet = /^(udp:)?\[?([^\]]*)\]?:(\d+)$/.exec(text);
  if (inet === null) return { pipe: { path: text.replace(/^unix:/, "") } };
  const [, udp, address, port] = inet;
  const place = { address, port_value: Number(port) };
  return { socket_address: udp === undefined ? place : { protocol: "UDP", ...place } };
}

/** JSON as Envoy lays it out. */
function json(value: unknown): Response {
  const headers = { "content-type": "application/json" };
  return new Response(`${JSON.stringify(value, null, 1)}\n`, { headers });
}
