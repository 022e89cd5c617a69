/** The options of drain, stop and crash (docs/restart.md), and of a pod's end (docs/kubernetes.md). */
import {
  choice,
  flag,
  int,
  list,
  nextGeneration,
  parsed,
  positiveTime,
  refuse,
  restart,
  scalar,
  time,
  withBytes,
} from "../option_makers.ts";
import { parseStatuses } from "../values/check_values.ts";
import { parseDrainCalls } from "../values/drain_call_spec.ts";
import { parseExitStatuses } from "../values/exit_statuses.ts";
import { parseHealthEndpoint } from "../values/health_endpoint_spec.ts";
import { parseOwnAddress } from "../values/listen_spec.ts";
import { parseSignalName } from "../values/signals.ts";

export const DEFAULT_QUIET_MS = 500;
/** With 5 s before and 3 s after it, 28 s of a pod's 30. */
export const DEFAULT_MAX_DRAIN_MS = 20_000;
/** Default of `--quiet` with `--shutdown-only`, where it is also the time without a new connection. */
export const SHUTDOWN_QUIET_MS = 2_000;

// deno-fmt-ignore: one option per entry, so that it reads as a table
export const STOP = {
  drain: nextGeneration(choice(["auto", "quiesce", "signal"], "auto", "How the old generation is drained: " +
    "quiesce waits until its connections are idle before it sends the stop signal, signal " +
    "sends it at once and leaves draining to the server, auto does that for servers known to " +
    "be graceful.")),
  drainTimeMs: time(60_000, "Longest wait for the connections of the old generation."),
  stopDrainTimeMs: time(null, "The same where the service stops, and no generation follows. By default as long as " +
    "--drain-time, and no option makes it longer."),
  stopFirstDrainMs: time(5_000, "The same where the old generation stops before the new one " +
    "starts (--order stop-first): new clients wait meanwhile."),
  /** Null: generation/stop_policy.ts. */
  drainSpreadMs: time(null, "Close event streams and WebSockets one by one over this last part " +
    "of --drain-time. By default a quarter of it, at most 30s. 0: all close with the server."),
  quietMs: time(DEFAULT_QUIET_MS, "A connection is idle when no response is due on it and it " +
    "has been silent for this long."),
  /** Empty: what is known of the program (generation/goodbye/). */
  drainCall: nextGeneration(withBytes(list("CALL", "How the server is asked to say goodbye to its clients when it " +
    "drains: METHOD:[http://ADDR:]PORT/PATH, METHOD:/PATH at its first listener, " +
    "unix:/SOCKET:METHOD:/PATH, signal:NAME, file:PATH (a file that is there from then until it has ended), " +
    "or exec:COMMAND. It reaches the generation that drains, and no other. " +
    "May be given several times. By default the one known for the program (Envoy); none: nothing.",
    parseDrainCalls))),
  drainUndo: nextGeneration(withBytes(list("CALL", "How it is asked to say goodbye no more, when it serves again: " +
    "its successor has failed. The forms are those of --drain-call.", parseDrainCalls))),
  drainCallTimeoutMs: positiveTime(2_000,
    "A drain call without a response after this time has failed, and the drain begins without it."),
  drainCallStatus: parsed("STATUSES", "Statuses that mean that a drain call has worked, as in " +
    "--check-status. By default 200-299.", parseStatuses),
  stopSignal: nextGeneration({
    placeholder: "SIGNAL",
    help: "Signal that stops the server. By default the one known for the program (nginx: " +
      "QUIT), else TERM.",
    default: null,
    read: scalar("the name of a signal", parseSignalName),
  }),
  stopTimeMs: nextGeneration(time(10_000, "Time from the stop signal to KILL. By default 10s, and 5m for known " +
    "databases (docs/presets.md).")),
  cleanExit: nextGeneration(list("STATUS[,STATUS...]", "Exit statuses besides 0 that are no failure of a server " +
    "that has got its stop signal: 'baton run' ends with 0 then. Known ones (dropbear: 1) need " +
    "not be given. May be given several times.", parseExitStatuses)),
  maxGenerations: int(4, [2, 64], "Most generations alive at any moment, at least 2: the old " +
    "and the new one. The oldest draining one is killed to make room."),
  keepAlive: restart("which calls of a server are watched is settled when baton starts", choice(["leave", "auto", "migrate"], "leave", "Keep-alive connections at a " +
    "reload: leave lets the old generation keep them until it stops, migrate moves them to the " +
    "new one between two requests (HTTP/1). Moving costs a little for each new connection: " +
    "auto moves them where these are few.")),
};

// deno-fmt-ignore: one option per entry, so that it reads as a table
export const PODS = {
  shutdownOnly: flag("Only shut the server down gracefully: no reload and no handoff. For the " +
    "main process of a container."),
  /** Null: from pod/budget.ts. */
  minDrainMs: time(null, "After TERM, keep accepting connections for at least this time, and " +
    "until none has arrived for --quiet. By default 5s in a Kubernetes pod, else 0: not at all."),
  maxDrainMs: time(DEFAULT_MAX_DRAIN_MS,
    "With --shutdown-only: longest time from the end of --min-drain to KILL."),
  readyDelayMs: time(0, "After TERM, /readyz keeps succeeding for this time."),
  /** terminationGracePeriodSeconds; null: unknown. */
  graceMs: time(null, "Grace period of the pod. baton refuses to start if it is shorter than " +
    "--min-drain, --max-drain (full mode: --drain-time, --stop-time and hooks) and 3s together."),
  signalTo: choice(["process", "group"], "process", "With --shutdown-only: whether signals go " +
    "to the main process of the server or to its whole group."),
  probeListen: parsed("ADDR:PORT", "Answer GET /startupz, /readyz and /livez there.",
    (value) => parseOwnAddress(value, "--probe-listen")),
  probeHealth: parsed("PATH[,SETTING...]", "Answer Envoy's health check at this path of " +
    "--probe-listen: by the state of the service; with min-healthy=PERCENT only while that share of " +
    "the workers serves; with pass-through[=PORT] as the server itself answers, whose status counts " +
    "for the time of cache=TIME.", parseHealthEndpoint),
  watch: withBytes(list("PATH", "Reload when this file, or a file in this directory, has " +
    "changed. May be given several times.", (texts) => texts.map(checkedPath))),
};

// deno-fmt-ignore: one option per entry, so that it reads as a table
export const CRASHES = {
  /** Null: restart, and with `shutdownOnly` exit. */
  onCrash: choice(["restart", "exit"], null, "What to do when the serving generation exits " +
    "unexpectedly. By default restart; with --shutdown-only exit."),
  crashDelayMs: time(200, "Wait before the second restart in a row of a server that crashes; " +
    "doubles with each restart. The first one is immediate."),
  crashDelayMaxMs: time(30_000, "The wait doubles no further than this."),
  crashLimit: int(10, [1, 1_000_000],
    "baton exits after more crashes in a row than this; 10 s of serving reset the count."),
  orphan: restart("it decides how baton and its servers are tied together", choice(["die", "keep"], "die",
    "What happens to the server when baton itself is killed.")),
  /** Overrides `orphan`. */
  survive: restart("it decides how baton and its servers are tied together", flag("When baton itself is killed, the server keeps serving and the next 'baton " +
    "run' of this name takes it over. A second small process, or systemd's descriptor store, " +
    "keeps the sockets for that.")),
};

function checkedPath(path: string): string {
  if (path === "" || path.includes("\0")) throw refuse(path, "the path of a file or directory");
  return path;
}
