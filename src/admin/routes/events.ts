/** The events of the service: as a stream, or those that are kept. */
import * as v from "valibot";
import { parseEventPatterns } from "../../config/values/event_patterns.ts";
import { errorText } from "../../platform/error.ts";
import type { AdminParts } from "../admin_parts.ts";
import type { Routes } from "./routes.ts";

const STREAM_TYPE = "text/event-stream";
const LINES_TYPE = "application/x-ndjson";
const PROBLEM = v.object({ error: v.string() });

const QUERY = v.strictObject({
  /** The id of an event: those after it are wanted. An id is a time, too: milliseconds since 1970. */
  since: v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  /** Names, or beginnings with "*", with commas between them. Default: every outcome; "*": everything. */
  events: v.exactOptional(v.pipe(v.string(), v.maxLength(1_000))),
  /** Whether to follow what happens; false: only what is kept, one JSON line each. */
  follow: v.exactOptional(v.boolean()),
});

export function mountEvents(routes: Routes, { events }: AdminParts): void {
  routes.add({
    method: "GET",
    path: "/v1/events",
    summary: "what happens, as server-sent events; follow=0: what is kept, as JSON lines",
    query: QUERY,
    replies: {
      200: { what: "The events, oldest first", schema: null, type: STREAM_TYPE },
      503: { what: "Too many read already", schema: PROBLEM },
    },
  }, ({ since, events: wanted = "", follow = true }, context) => {
    if (events === null) return context.json({ error: "no events with --shutdown-only" }, 503);
    let patterns: readonly string[];
    try {
      patterns = wanted.trim() === "" ? [] : parseEventPatterns(wanted);
    } catch (error) {
      return context.json({ error: `'events': ${errorText(error)}` }, 400);
    }
    if (!follow) {
      return context.body(events.lines(since ?? 0, patterns), 200, { "content-type": LINES_TYPE });
    }
    // No one would read the body of an answer to HEAD.
    if (context.req.method === "HEAD") {
      return context.body(null, 200, { "content-type": STREAM_TYPE });
    }
    // A client that connects again says what it has got, besides the address that it began with.
    const known = Number(context.req.header("last-event-id") || NaN);
    const after = Number.isSafeInteger(known) ? known : since ?? null;
    const stream = events.open(after, patterns, context.env?.door ?? "admin");
    if (stream === null) return context.json({ error: "too many clients read events" }, 503);
    return context.body(stream, 200, { "content-type": STREAM_TYPE, "cache-control": "no-store" });
  });
}
