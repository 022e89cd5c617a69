/**
 * What the load generator counts. Every request ends in exactly one of `ok` and the causes in `CAUSES`; bytes that
 * come between two requests of a kept connection add one more `unexpected`.
 *
 * `other` is a fault that is none of the server's known ones (such as EADDRNOTAVAIL, the client's own): it counts as
 * lost too, so that nothing is ever swept under the carpet.
 */

export const CAUSES = ["refused", "reset", "short", "timedOut", "unexpected", "other"] as const;

/**
 * - refused: ECONNREFUSED; reset: ECONNRESET or EPIPE, at any moment before the response was whole
 * - short: the connection ended in order before the response was whole
 * - timedOut: no whole response within the request's time, or ETIMEDOUT
 * - unexpected: status other than 200, bytes that are not HTTP, or bytes that were not asked for
 */
export type Cause = typeof CAUSES[number];

export interface LostRequest {
  readonly cause: Cause;
  readonly detail: string;
  /** Milliseconds since the load started. */
  readonly atMs: number;
  /** Local address and port of the connection, where known. */
  readonly from: string;
  /** Whether the connection had carried a whole response before. */
  readonly reused: boolean;
}

export const MAX_REMEMBERED_ERRORS = 10;

const MAX_LATENCY_MS = 60_000;

/** How many responses took how many milliseconds, rounded up. */
export class Latencies {
  readonly #counts = new Uint32Array(MAX_LATENCY_MS + 1);
  #total = 0;

  add(ms: number): void {
    this.#counts[Math.min(Math.ceil(ms), MAX_LATENCY_MS)]!++;
    this.#total++;
  }

  /** @param share 0.99: so many were as fast or faster */
  percentile(share: number): number {
    let seen = 0;
    return this.#counts.findIndex((count) => (seen += count) >= this.#total * share);
  }

  toJSON(): object {
    return { p50: this.percentile(0.5), p99: this.percentile(0.99) };
  }
}

export class Tally {
  ok = 0;
  refused = 0;
  reset = 0;
  short = 0;
  timedOut = 0;
  unexpected = 0;
  other = 0;
  /** Connections opened, or tried to. */
  connections = 0;
  /** Kept connections that the server closed between two requests: its right, and not a loss. */
  idleCloses = 0;
  /** Whole responses by the pid in their body. */
  readonly byBody = new Map<number, number>();
  /** Whole responses by the version in their body. */
  readonly byVersion = new Map<string, number>();
  /** The slowest whole response, from before the connect to its last byte. */
  maxLatencyMs = 0;
  readonly latencies = new Latencies();
  elapsedMs = 0;
  /** The first MAX_REMEMBERED_ERRORS of them. */
  readonly errors: LostRequest[] = [];

  get lost(): number {
    return CAUSES.reduce((sum, cause) => sum + this[cause], 0);
  }

  addResponse(body: string, latencyMs: number): void {
    this.ok++;
    this.maxLatencyMs = Math.max(this.maxLatencyMs, latencyMs);
    this.latencies.add(latencyMs);
    const pid = /\bpid=(\d+)/.exec(body)?.[1];
    const version = /\bversion=(\S+)/.exec(body)?.[1];
    if (pid !== undefined) increment(this.byBody, Number(pid));
    if (version !== undefined) increment(this.byVersion, version);
  }

  addLoss(lost: LostRequest): void {
    this[lost.cause]++;
    if (this.errors.length < MAX_REMEMBERED_ERRORS) this.errors.push(lost);
  }

  /** Plain data: maps become objects. */
  toJSON(): object {
    return {
      ...this,
      lost: this.lost,
      byBody: Object.fromEntries(this.byBody),
      byVersion: Object.fromEntries(this.byVersion),
    };
  }
}

function increment<K>(map: Map<K, number>, key: K): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}

/** The cause that an error code of a socket stands for. */
export function causeOfCode(code: string | undefined): Cause {
  switch (code) {
    case "ECONNREFUSED":
      return "refused";
    case "ECONNRESET":
    case "EPIPE":
      return "reset";
    case "ETIMEDOUT":
      return "timedOut";
    default:
      return "other";
  }
}

/** One readable line; the first errors follow on lines of their own when there are any. */
export function formatTally(tally: Tally): string {
  const causes = CAUSES.map((cause) => `${cause} ${tally[cause]}`).join(", ");
  const lines = [[
    `ok ${tally.ok}`,
    `lost ${tally.lost} (${causes})`,
    `pids ${formatCounts(tally.byBody)}`,
    `versions ${formatCounts(tally.byVersion)}`,
    `connections ${tally.connections}`,
    `slowest ${tally.maxLatencyMs.toFixed(1)} ms`,
    `in ${(tally.elapsedMs / 1000).toFixed(1)} s`,
  ].join("; ")];
  for (const { cause, detail, atMs, from, reused } of tally.errors) {
    const kind = reused ? "kept connection" : "new connection";
    lines.push(`  ${cause} at ${atMs.toFixed(0)} ms on a ${kind} from ${from}: ${detail}`);
  }
  return lines.join("\n");
}

function formatCounts(counts: Map<string | number, number>): string {
  return [...counts].map(([key, count]) => `${key}:${count}`).join(" ") || "none";
}
