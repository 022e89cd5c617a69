/** Stands in front of the routes: refuses what the door does not allow, and notes in the log who has changed something. */
import type { MiddlewareHandler } from "hono";
import { type AccessRules, refusalOf, refusalOfForwarded } from "./access.ts";
import { refuseToken } from "./token_check.ts";
import type { AdminEnv } from "./routes/routes.ts";

export interface GuardOptions {
  /** Null: there is no --admin. */
  readonly access:
    | Pick<AccessRules, "hosts" | "isLocal"> & { readonly tokenFile: string | null }
    | null;
  readonly log: { info(text: string): void };
}

/** Of a text whose route says nothing: Bun's, which writes it down only when it sends it itself, and Deno's. */
const IMPLIED_TYPES: readonly (string | null)[] = [null, "text/plain;charset=UTF-8"];

/** Of every response but those that say otherwise. The page has its own policy. */
const HEADERS = {
  "cache-control": "no-cache, max-age=0",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
} as const;

export function guard({ access, log }: GuardOptions): MiddlewareHandler<AdminEnv> {
  const { hosts = [], isLocal = false, tokenFile = null } = access ?? {};
  const rules: AccessRules = {
    hosts,
    isLocal,
    refuseToken: tokenFile === null ? null : (given) => refuseToken(tokenFile, given),
  };
  return async (context, next) => {
    const { req, env } = context;
    const { method, path } = req;
    const isControl = env?.door === "control";
    const request = {
      method,
      host: req.header("host") ?? null,
      origin: req.header("origin") ?? null,
      authorization: req.header("authorization") ?? null,
    };
    const refusal = isControl ? refusalOfForwarded(request, hosts) : refusalOf(request, rules);
    if (refusal === null) {
      await next();
    } else {
      const { error, status, challenge } = refusal;
      context.res = context.json({ error }, status);
      if (challenge !== undefined) context.header("www-authenticate", challenge);
    }
    if (!isControl && method !== "GET" && method !== "HEAD") {
      const what = `${method} ${path} from ${env?.client?.() ?? "?"}`;
      log.info(`admin: ${what}: ${refusal === null ? context.res.status : refusal.status}`);
    }
    if (IMPLIED_TYPES.includes(context.res.headers.get("content-type"))) {
      context.header("content-type", "text/plain; charset=UTF-8");
    }
    for (const [name, value] of Object.entries(HEADERS)) {
      if (!context.res.headers.has(name)) context.header(name, value);
    }
  };
}
