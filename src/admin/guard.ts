/** Stands in front of the routes: refuses what the door does not allow, and notes in the log who has changed something. */
import type { MiddlewareHandler } from "hono";
import { type AccessRules, READING, refusalOf, refusalOfForwarded } from "./access.ts";
import { refuseToken } from "./token_check.ts";
import type { AdminEnv } from "./routes/routes.ts";

export interface GuardOptions {
  /** The rules of --admin; null: there is no such address. */
  readonly access:
    | Pick<AccessRules, "hosts" | "isLocal"> & { readonly tokenFile: string | null }
    | null;
  readonly log: { info(text: string): void };
}

/** Lines about refused requests in this time. */
const MOST_REFUSALS = 20;
const REFUSALS_MS = 10_000;

/**
 * Content types of a text whose route names none: Bun's, which writes it down only when it sends it itself, and Deno's.
 */
const IMPLIED_TYPES: readonly (string | null)[] = [null, "text/plain;charset=UTF-8"];

/** Headers of every response but those that say otherwise. The page has its own policy. */
const HEADERS = {
  "cache-control": "no-cache, max-age=0",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
} as const;

/**
 * Writes down who was refused, and of a crowd how many: everybody can make these lines, and a journal that limits them
 * would lose those of the server.
 */
class RefusalLog {
  #since = -Infinity;
  #count = 0;

  constructor(readonly log: GuardOptions["log"], readonly nowMs: () => number) {}

  note(text: string): void {
    const now = this.nowMs();
    if (now - this.#since >= REFUSALS_MS) {
      const hidden = this.#count - MOST_REFUSALS;
      if (hidden > 0) this.log.info(`admin: ${hidden} more were refused before this`);
      this.#since = now;
      this.#count = 0;
    }
    if (++this.#count <= MOST_REFUSALS) this.log.info(text);
  }
}

export function guard(
  { access, log, facts: { nowMs } }: GuardOptions & { facts: { readonly nowMs: () => number } },
): MiddlewareHandler<AdminEnv> {
  const { hosts = [], isLocal = false, tokenFile = null } = access ?? {};
  const rules: AccessRules = {
    hosts,
    isLocal,
    refuseToken: tokenFile === null ? null : (given) => refuseToken(tokenFile, given),
  };
  const refusals = new RefusalLog(log, nowMs);
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
    const isChange = !READING.includes(method);
    // Asked for now: a client that does not wait for the outcome has no address any more.
    const from = isChange && !isControl ? env?.client?.() ?? "?" : "";
    const refusal = isControl ? refusalOfForwarded(request, hosts) : refusalOf(request, rules);
    if (refusal === null) {
      await next();
    } else {
      const { error, status, challenge } = refusal;
      context.res = context.json({ error }, status);
      if (challenge !== undefined) context.header("www-authenticate", challenge);
    }
    if (!isControl && isChange) {
      const text = `admin: ${method} ${path} from ${from}: ${context.res.status}`;
      if (refusal === null) log.info(text);
      else refusals.note(text);
    }
    if (IMPLIED_TYPES.includes(context.res.headers.get("content-type"))) {
      context.header("content-type", "text/plain; charset=UTF-8");
    }
    for (const [name, value] of Object.entries(HEADERS)) {
      if (!context.res.headers.has(name)) context.header(name, value);
    }
  };
}
