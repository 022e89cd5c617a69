/**
 * What the clients' process says, on stdout, a line of JSON each: a version when it was first seen in an answer, and at
 * the end what became of all requests.
 */
import * as v from "valibot";

/** Counts of one kind of client. */
const TALLY = v.object({
  ok: v.number(),
  lost: v.number(),
  refused: v.number(),
  reset: v.number(),
  short: v.number(),
  timedOut: v.number(),
  unexpected: v.number(),
  other: v.number(),
  maxLatencyMs: v.number(),
  errors: v.array(v.object({ cause: v.string(), detail: v.string(), atMs: v.number() })),
});

export const CLIENT_LINE = v.variant("kind", [
  /** @property atMs as Date.now(), with fractions */
  v.object({ kind: v.literal("version"), version: v.string(), atMs: v.number() }),
  v.object({
    kind: v.literal("end"),
    new: TALLY,
    kept: TALLY,
    h2: v.nullable(TALLY),
    repeated: v.number(),
    /** When each version last answered a new connection, as Date.now() with fractions. */
    lastMs: v.record(v.string(), v.number()),
  }),
]);

export type ClientTally = v.InferOutput<typeof TALLY>;
export type ClientLine = v.InferOutput<typeof CLIENT_LINE>;
export type ClientEnd = Extract<ClientLine, { kind: "end" }>;

/**
 * The clients, the same for every contestant. They pause, so that the machine is never full: a wait is the server's,
 * then.
 */
export const CLIENTS = {
  new: { clients: 4, thinkTimeMs: 2 },
  keptBusy: { clients: 4, thinkTimeMs: 2 },
  keptSlow: { clients: 4, thinkTimeMs: 20 },
  h2: { connections: 2, streams: 3, thinkTimeMs: 5 },
  timeoutMs: 10_000,
} as const;
