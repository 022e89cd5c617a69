/**
 * The health check that Envoy's filter of that name answers (envoy.filters.http.health_check), on the probe port, in its
 * three modes: baton answers, the server answers, or the server answers now and then and its status counts meanwhile.
 *
 * Every response names the service (x-envoy-upstream-healthchecked-cluster). While an operator has failed the health, or
 * the service shuts down, the response is 503 in each mode, and says that no client must wait for more of them
 * (x-envoy-immediate-health-check-fail).
 */
import type { FetchHandler } from "./http_connection.ts";

/** What the server has answered; null: it has not. */
export type PassedAnswer = {
  readonly status: number;
  readonly type: string | null;
  readonly body: string;
};

export interface HealthEndpointOptions {
  readonly path: string;
  /** The name of the service, which answers give. */
  readonly name: string;
  /** How the server is asked; null: baton answers. */
  readonly passThrough: {
    readonly cacheMs: number;
    /** @param target path and query @returns null: no answer */
    ask(target: string, headers: Headers): Promise<PassedAnswer | null>;
  } | null;
  readonly minHealthyPercent: number;
  readonly nowMs: () => number;
  readonly service: () => ServiceHealth;
}

export interface ServiceHealth {
  /** Whether the service is to get no new traffic. */
  readonly isDraining: boolean;
  readonly isReady: boolean;
  /** Workers of the generation that serves. */
  readonly workers: { readonly serving: number; readonly total: number };
}

const CLUSTER = "x-envoy-upstream-healthchecked-cluster";
const FAIL = "x-envoy-immediate-health-check-fail";

/** @returns a handler that leaves other paths to `others` */
export function healthHandler(options: HealthEndpointOptions, others: FetchHandler): FetchHandler {
  const { path, name, passThrough, service, nowMs } = options;
  let cached: { readonly status: number; readonly untilMs: number } | null = null;
  let asking: Promise<PassedAnswer | null> | null = null;
  const reply = (
    status: number,
    headers: Record<string, string> = {},
    body: string | null = null,
  ) =>
    new Response(body, {
      status,
      headers: { [CLUSTER]: name, "content-type": "text/plain", ...headers },
    });
  return async (request, client) => {
    const { pathname, search } = new URL(request.url);
    if (pathname !== path) return others(request, client);
    const health = service();
    if (health.isDraining) return reply(503, { [FAIL]: "true" });
    if (passThrough === null) {
      return reply(isHealthy(health, options.minHealthyPercent) ? 200 : 503);
    }
    if (cached !== null && nowMs() < cached.untilMs) return reply(cached.status);
    const ask = () => passThrough.ask(`${pathname}${search}`, request.headers);
    // With a cache the server gets one request when the time is over, however many clients ask.
    if (passThrough.cacheMs > 0) asking ??= ask().finally(() => void (asking = null));
    const answer = await (asking ?? ask());
    const status = answer?.status ?? 503;
    cached = { status, untilMs: nowMs() + passThrough.cacheMs };
    if (answer === null) return reply(status);
    const type = answer.type === null ? {} : { "content-type": answer.type };
    return reply(status, type, hasBody(status) ? answer.body : null);
  };
}

/** Pure: the mode without pass-through. */
function isHealthy({ isReady, workers }: ServiceHealth, minPercent: number): boolean {
  return isReady && workers.serving * 100 >= workers.total * minPercent;
}

/** Whether an answer of this status may have a body: fetch has no Response with one of the others and a body. */
function hasBody(status: number): boolean {
  return ![204, 205, 304].includes(status);
}
