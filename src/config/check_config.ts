/** What is configured about the health of a generation: its gate, its liveness, and how both are checked. */
import type { ReadySpec, RepeatedCheck } from "./values/check_spec.ts";

/** The part of `Config` about health checks (docs/health.md). */
export interface CheckConfig {
  /** What must have happened before a generation may serve: all of them; empty: `auto`. */
  readonly ready: readonly ReadySpec[];
  /** What a generation is asked from its gate to its drain. */
  readonly live: readonly RepeatedCheck[];
  /** From the end of one check to the next; null: a short one in the gate, a longer one later. */
  readonly checkIntervalMs: number | null;
  readonly checkTimeoutMs: number;
  /** The interval while a change of state is pending; null: the same. */
  readonly checkEdgeIntervalMs: number | null;
  /** Most that is added, by chance, to each interval. */
  readonly checkJitterMs: number;
  /** Most that the first check of all waits, by chance. */
  readonly checkInitialJitterMs: number;
  readonly healthyThreshold: number;
  readonly unhealthyThreshold: number;
  /** Null: the address that is connected to. */
  readonly checkHost: string | null;
  readonly checkMethod: "GET" | "HEAD" | "OPTIONS" | "POST";
  /** As `parseStatuses` takes them; null: 200. */
  readonly checkStatus: string | null;
  readonly checkRetriableStatus: string | null;
  /** Regular expression. */
  readonly checkBody: string | null;
  readonly checkServiceName: string | null;
  /** As `parseBytes` takes them. */
  readonly checkSend: string | null;
  readonly checkReceive: string | null;
}
