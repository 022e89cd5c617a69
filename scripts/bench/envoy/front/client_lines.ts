/** What the clients of a front say, on stdout, a line of JSON each. */
import * as v from "valibot";

export const FRONT_LANE = v.object({
  name: v.string(),
  ok: v.number(),
  lost: v.number(),
  /** Connections, and streams, that the other side has ended. */
  ended: v.number(),
  slowestMs: v.number(),
  errors: v.array(v.string()),
});
export type FrontLane = v.InferOutput<typeof FRONT_LANE>;

export const FRONT_LINE = v.variant("kind", [
  /** @property atMs as Date.now(), with fractions */
  v.object({ kind: v.literal("version"), version: v.string(), atMs: v.number() }),
  /** For each line on stdin, and at the end. */
  v.object({ kind: v.literal("lanes"), isLast: v.boolean(), lanes: v.array(FRONT_LANE) }),
]);

export const FRONT_ORDER = v.object({
  port: v.number(),
  /** "http": new, kept, HTTP/2 and WebSockets; "grpc": streams. */
  protocol: v.picklist(["http", "grpc"]),
  limitMs: v.number(),
});
export type FrontOrder = v.InferOutput<typeof FRONT_ORDER>;
