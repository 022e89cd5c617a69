/** The clients of `make bench-envoy`: a process for each side, which gets its task as JSON and says at the end what came of it. */
import * as v from "valibot";

export const LANE = v.object({
  /** "new": a connection for each request; "kept": one for each client. */
  kind: v.picklist(["new", "kept", "h2c", "h2tls"]),
  name: v.string(),
  clients: v.number(),
  thinkTimeMs: v.number(),
  path: v.string(),
});
export type Lane = v.InferOutput<typeof LANE>;

export const ORDER = v.object({
  port: v.number(),
  tlsPort: v.number(),
  lanes: v.array(LANE),
  limitMs: v.number(),
});
export type ClientOrder = v.InferOutput<typeof ORDER>;

export const LANE_END = v.object({
  name: v.string(),
  ok: v.number(),
  lost: v.number(),
  slowestMs: v.number(),
  /** The first ones. @property wallMs as Date.now() */
  errors: v.array(v.object({ cause: v.string(), detail: v.string(), wallMs: v.number() })),
});
export type LaneEnd = v.InferOutput<typeof LANE_END>;

export const CLIENTS_END = v.array(LANE_END);

/** Streams of an HTTP/2 connection. */
export const STREAMS = 3;
export const TIMEOUT_MS = 15_000;

const fast = { path: "/" } as const;
export const NEW: Lane = { ...fast, kind: "new", name: "new", clients: 3, thinkTimeMs: 4 };
const KEPT_0: Lane = { ...fast, kind: "kept", name: "kept, 0 ms", clients: 2, thinkTimeMs: 0 };
const KEPT_20: Lane = { ...fast, kind: "kept", name: "kept, 20 ms", clients: 3, thinkTimeMs: 20 };
const H2C: Lane = { ...fast, kind: "h2c", name: "h2c", clients: 1, thinkTimeMs: 4 };
const H2_TLS: Lane = { ...fast, kind: "h2tls", name: "h2-TLS", clients: 1, thinkTimeMs: 4 };

export const ALL: readonly Lane[] = [NEW, KEPT_0, KEPT_20, H2C, H2_TLS];
export const PLAIN: readonly Lane[] = [NEW, KEPT_20];

/** Requests that take this long, one after the other. */
export function slow(seconds: 2 | 3 | 5): readonly Lane[] {
  const path = `/slow${seconds}`;
  return [
    { ...NEW, clients: 6, thinkTimeMs: 0, path },
    { ...KEPT_0, name: "kept", clients: 6, path },
    { ...H2_TLS, clients: 2, thinkTimeMs: 0, path },
  ];
}
