/** The options of the gate, of liveness and of their checks (docs/health.md). */
import {
  choice,
  int,
  list,
  matching,
  parsed,
  positiveTime,
  time,
  withBytes,
} from "../option_makers.ts";
import { parseLiveSpec, parseReadySpec } from "../values/check_spec.ts";
import { parseBodyPattern, parseBytes, parseStatuses } from "../values/check_values.ts";

/** `--check-interval` while a candidate is in its gate: an operator waits for it. */
export const GATE_INTERVAL_MS = 200;
/** `--check-interval` of liveness. */
export const LIVE_INTERVAL_MS = 1_000;

const MAX_THRESHOLD = 1_000;
const parseWord = matching(/^[\x21-\x7e]+$/, "printable ASCII without spaces");

// deno-fmt-ignore: one option per entry, so that it reads as a table
export const READINESS = {
  /** All must hold; empty: `auto`. */
  ready: withBytes(list("CHECK", "What must happen before a new generation may serve. May be given " +
    "several times: all of them must happen. listen: it listens. notify: it sends READY=1 to " +
    "NOTIFY_SOCKET. auto, the default: listen, and notify once the server has used it. fd:N: it " +
    "writes a newline to descriptor N. log:REGEX: it prints such a line. Or a check passes: " +
    "http:[PORT]/PATH, tcp[:PORT], redis[:PORT], grpc[:PORT][/SERVICE], exec:COMMAND.",
    (texts) => texts.map(parseReadySpec))),
  readyTimeoutMs: positiveTime(60_000,
    "A generation that is not ready after this time has failed; the old one keeps serving."),
};

// deno-fmt-ignore: one option per entry, so that it reads as a table
export const HEALTH = {
  live: withBytes(list("CHECK", "Check that the serving generation must keep passing: http, tcp, " +
    "redis, grpc or exec as in --ready. May be given several times.",
    (texts) => texts.map(parseLiveSpec))),
  /** From the end of one check to the next; null: `GATE_INTERVAL_MS`, then `LIVE_INTERVAL_MS`. */
  checkIntervalMs: positiveTime(null,
    "Time from one check to the next. By default 200ms until a generation is ready, then 1s."),
  checkTimeoutMs: positiveTime(1_000, "A check without a response after this time has failed."),
  checkEdgeIntervalMs: positiveTime(null, "The interval while results contradict the state, but " +
    "not yet often enough to change it. By default --check-interval."),
  checkJitterMs: time(0, "A random time up to this is added to each interval."),
  checkInitialJitterMs: time(0, "The first check waits for a random time up to this."),
  healthyThreshold: int(1, [1, MAX_THRESHOLD], "This many successes in a row make a check healthy " +
    "again. At the very first check, one is enough."),
  unhealthyThreshold: int(3, [1, MAX_THRESHOLD], "This many failures in a row make a check " +
    "unhealthy. A wrong response does so at once."),
  checkHost: parsed("HOST", "Host of http checks, authority of grpc checks. By default the address " +
    "of the listener.", parseWord),
  checkMethod: choice(["GET", "HEAD", "OPTIONS", "POST"], "GET", "Method of http checks."),
  checkStatus: parsed("STATUSES", "Statuses that http checks expect: 200, 200-299 or 200-299,304. " +
    "By default 200.", parseStatuses),
  checkRetriableStatus: parsed("STATUSES", "Statuses that are counted (--unhealthy-threshold) " +
    "instead of making a check unhealthy at once.", parseStatuses),
  checkBody: parsed("REGEX", "What the body of the response to an http check must match.",
    parseBodyPattern),
  checkServiceName: parsed("NAME", "The response to an http check must have this in its header " +
    "X-Envoy-Upstream-Healthchecked-Cluster.", parseWord),
  checkSend: parsed("BYTES",
    "What a tcp check sends; \\xNN, \\r, \\n, \\t, \\0 and \\\\ stand for bytes.", parseBytes),
  checkReceive: parsed("BYTES", "What a tcp check waits for, anywhere in the response. Without it " +
    "a connection is enough.", parseBytes),
};
