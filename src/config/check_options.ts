/** The fields of `Config`, and the options (options.ts), of the gate, of liveness and of their checks. */
import { choice, int, text, time } from "./option_makers.ts";
import { HEALTH, type OptionFor, READINESS } from "./option_types.ts";
import type { ReadySpec, RepeatedCheck } from "./values/check_spec.ts";

/** The part of `Config` about health checks (docs/health.md). */
export interface CheckConfig {
  /** All that must hold before a generation may serve; empty: `auto`. */
  readonly ready: readonly ReadySpec[];
  /** Checks that run from the gate of a generation to its drain. */
  readonly live: readonly RepeatedCheck[];
  /** From the end of one check to the next; null: `GATE_INTERVAL_MS`, then `LIVE_INTERVAL_MS`. */
  readonly checkIntervalMs: number | null;
  readonly checkTimeoutMs: number;
  /** The interval while a change of state is pending; null: the same. */
  readonly checkEdgeIntervalMs: number | null;
  /** Each interval grows by a random time up to this. */
  readonly checkJitterMs: number;
  /** The very first check waits for a random time up to this. */
  readonly checkInitialJitterMs: number;
  readonly healthyThreshold: number;
  readonly unhealthyThreshold: number;
  /** Null: the address of the listener. */
  readonly checkHost: string | null;
  readonly checkMethod: "GET" | "HEAD" | "OPTIONS" | "POST";
  /** For `parseStatuses`; null: 200. */
  readonly checkStatus: string | null;
  readonly checkRetriableStatus: string | null;
  /** Regular expression. */
  readonly checkBody: string | null;
  readonly checkServiceName: string | null;
  /** For `parseBytes`. */
  readonly checkSend: string | null;
  readonly checkReceive: string | null;
}

/** `--check-interval` while a candidate is in its gate: an operator waits for it. */
export const GATE_INTERVAL_MS = 200;
/** `--check-interval` of liveness. */
export const LIVE_INTERVAL_MS = 1_000;
/** Default of `--check-timeout` in milliseconds. */
const DEFAULT_CHECK_TIMEOUT_MS = 1_000;
/** Default of `--healthy-threshold`. */
const DEFAULT_HEALTHY_THRESHOLD = 1;
/** Default of `--unhealthy-threshold`. */
const DEFAULT_UNHEALTHY_THRESHOLD = 3;

const MAX_THRESHOLD = 1_000;

// deno-fmt-ignore: one option per entry, so that it reads as a table
export const READY_OPTIONS: { readonly [F in "ready" | "live"]: OptionFor<CheckConfig[F]> } = {
  ready: {
    type: "checks", flag: "ready", group: READINESS, placeholder: "CHECK", default: [],
    bytes: true,
    help: "What must happen before a new generation may serve. May be given several times: all of " +
      "them must happen. listen: it listens. notify: it sends READY=1 to NOTIFY_SOCKET. auto, the " +
      "default: listen, and notify once the server has used it. fd:N: it writes a newline to " +
      "descriptor N. log:REGEX: it prints such a line. Or a check passes: http:[PORT]/PATH, " +
      "tcp[:PORT], redis[:PORT], grpc[:PORT][/SERVICE], exec:COMMAND.",
  },
  live: {
    type: "live checks", flag: "live", group: HEALTH, placeholder: "CHECK", default: [],
    bytes: true,
    help: "Check that the serving generation must keep passing: http, tcp, redis, grpc or exec as " +
      "in --ready. May be given several times.",
  },
};

// deno-fmt-ignore: one option per entry, so that it reads as a table
export const CHECK_OPTIONS: {
  readonly [F in Exclude<keyof CheckConfig, "ready" | "live">]: OptionFor<CheckConfig[F]>;
} = {
  checkIntervalMs: time("check-interval", HEALTH, [null, 1],
    "Time from one check to the next. By default 200ms until a generation is ready, then 1s."),
  checkTimeoutMs: time("check-timeout", HEALTH, [DEFAULT_CHECK_TIMEOUT_MS, 1],
    "A check without a response after this time has failed."),
  checkEdgeIntervalMs: time("check-edge-interval", HEALTH, [null, 1], "The interval while results " +
    "contradict the state, but not yet often enough to change it. By default --check-interval."),
  checkJitterMs: time("check-jitter", HEALTH, [0, 0],
    "A random time up to this is added to each interval."),
  checkInitialJitterMs: time("check-initial-jitter", HEALTH, [0, 0],
    "The first check waits for a random time up to this."),
  healthyThreshold: int("healthy-threshold", HEALTH, [DEFAULT_HEALTHY_THRESHOLD, 1, MAX_THRESHOLD],
    "This many successes in a row make a check healthy again. At the very first check, one is " +
    "enough."),
  unhealthyThreshold: int("unhealthy-threshold", HEALTH,
    [DEFAULT_UNHEALTHY_THRESHOLD, 1, MAX_THRESHOLD],
    "This many failures in a row make a check unhealthy. A wrong response does so at once."),
  checkHost: {
    ...text("check-host", HEALTH, "HOST", "Host of http checks, authority of grpc checks. By " +
      "default the address of the listener."),
    pattern: /^[\x21-\x7e]+$/,
    patternText: "printable ASCII without spaces",
  },
  checkMethod: choice("check-method", HEALTH, ["GET", "HEAD", "OPTIONS", "POST"],
    "Method of http checks."),
  checkStatus: text("check-status", HEALTH, "STATUSES", "Statuses that http checks expect: 200, " +
    "200-299 or 200-299,304. By default 200."),
  checkRetriableStatus: text("check-retriable-status", HEALTH, "STATUSES", "Statuses that are " +
    "counted (--unhealthy-threshold) instead of making a check unhealthy at once."),
  checkBody: text("check-body", HEALTH, "REGEX",
    "What the body of the response to an http check must match."),
  checkServiceName: {
    ...text("check-service-name", HEALTH, "NAME", "The response to an http check must have this in " +
      "its header X-Envoy-Upstream-Healthchecked-Cluster."),
    pattern: /^[\x21-\x7e]+$/,
    patternText: "printable ASCII without spaces",
  },
  checkSend: text("check-send", HEALTH, "BYTES",
    "What a tcp check sends; \\xNN, \\r, \\n, \\t, \\0 and \\\\ stand for bytes."),
  checkReceive: text("check-receive", HEALTH, "BYTES",
    "What a tcp check waits for, anywhere in the response. Without it a connection is enough."),
};
