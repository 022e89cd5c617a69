/**
 * The single table of options of `baton run`.
 *
 * Guarantees: every field of `Config` except `command` has exactly one entry (its type enforces that), and flags, keys
 * of the configuration file, help text and documentation all come from here: the flag is `--ready-timeout`, its key
 * `ready_timeout`, its field `readyTimeoutMs`. load.ts has the parsers, validate.ts the rules across options.
 */
import { CHECK_OPTIONS, READY_OPTIONS } from "./check_options.ts";
import type { Config, OnCrash } from "./config.ts";
import { choice, int, path, text, time } from "./option_makers.ts";
import {
  CRASHES,
  DRAIN,
  HOOKS,
  LISTENERS,
  type Option,
  type OptionFor,
  OUTPUT,
  POD,
  READINESS,
  ROLLOUT,
  SERVICE,
  TAKEOVER,
} from "./option_types.ts";

/** Default of `--backlog`: the kernel's own default of net.core.somaxconn, which caps it anyway. */
const DEFAULT_BACKLOG = 4096;
/** Default of `--ready-timeout` in milliseconds. */
const DEFAULT_READY_TIMEOUT_MS = 60_000;
/** Default of `--drain-time` in milliseconds. */
const DEFAULT_DRAIN_TIME_MS = 60_000;
/** Default of `--quiet` in milliseconds. */
export const DEFAULT_QUIET_MS = 500;
/** Default of `--stop-time` in milliseconds. */
const DEFAULT_STOP_TIME_MS = 10_000;
/** Default of `--max-generations`. */
const DEFAULT_MAX_GENERATIONS = 4;
/** Smallest `--max-generations`: the old and the new generation overlap during a reload. */
const MIN_MAX_GENERATIONS = 2;
/** Default of `--crash-delay` in milliseconds. */
const DEFAULT_CRASH_DELAY_MS = 200;
/** Default of `--crash-delay-max` in milliseconds. */
const DEFAULT_CRASH_DELAY_MAX_MS = 30_000;
/** Default of `--crash-limit`. */
const DEFAULT_CRASH_LIMIT = 10;
/** Default of `--parent-shutdown-time` in milliseconds: Envoy's, and longer than any drain time. */
const DEFAULT_PARENT_SHUTDOWN_TIME_MS = 900_000;
/** Default of `--max-drain` in milliseconds: with 5 s before and 3 s after it, 28 s of a pod's 30. */
export const DEFAULT_MAX_DRAIN_MS = 20_000;
/** Default of `--quiet` with `--shutdown-only`, where it is also the time without a new connection. */
export const SHUTDOWN_QUIET_MS = 2_000;
/** Default of `--hook-timeout` in milliseconds. */
const DEFAULT_HOOK_TIMEOUT_MS = 30_000;
/** Default of `--log-level`. */
const DEFAULT_LOG_LEVEL = "info";

/** listen(2) takes an int; net.core.somaxconn is the real limit. */
const MAX_BACKLOG = 65_535;
const MAX_MAX_GENERATIONS = 64;
const MAX_CRASH_LIMIT = 1_000_000;

/** The fields of `Config` that are set by options: all but the command of the server. */
type ConfigField = Exclude<keyof Config, "command">;

/** The table, by field of `Config`; iterate `OPTIONS` for the order of the documentation. */
// deno-fmt-ignore: one option per entry, so that it reads as a table
export const OPTION_BY_FIELD: { readonly [F in ConfigField]: OptionFor<Config[F]> } = {
  name: {
    ...text("name", SERVICE, "NAME", "Name of the service, which the other commands use to address " +
      "it. By default the name of the program, or of the script that an interpreter runs."),
    pattern: /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/,
    patternText: "1 to 63 letters, digits, '_', '.' or '-', and not begin with '.' or '-'",
  },
  cwd: path("cwd", SERVICE, "DIR", "Working directory of the server, resolved again for each " +
    "generation, so that a symbolic link may move to the next release."),
  envFile: path("env-file", SERVICE, "FILE", "File with KEY=VALUE lines for the environment of " +
    "the server, read again for each generation."),
  runtimeDir: text("runtime-dir", SERVICE, "DIR", "Directory of the control socket and the lock. " +
    "By default RUNTIME_DIRECTORY, else /run/baton for root, XDG_RUNTIME_DIR/baton for others."),
  pidfile: text("pidfile", SERVICE, "FILE", "Write the process id of baton to this file. A reload " +
    "does not change it."),

  listen: {
    type: "list", flag: "listen", group: LISTENERS, placeholder: "[NAME=]ADDR:PORT", default: [],
    help: "Bind this address in baton and pass the socket to the server, from descriptor 3 on " +
      "(LISTEN_FDS, SERVER_STARTER_PORT, EINHORN_FDS, {fd:NAME}, {port:NAME}). May be given " +
      "several times. Not needed for servers that bind their own sockets.",
  },
  backlog: int("backlog", LISTENERS, [DEFAULT_BACKLOG, 1, MAX_BACKLOG],
    "Length of the accept queue of the listeners that baton binds."),
  handoff: choice("handoff", LISTENERS, ["auto", "adopt", "inherit"],
    "How a new generation gets its sockets: adopt lets the server bind its own sockets beside the " +
    "old one's, inherit passes the sockets of --listen, auto does both."),

  ready: READY_OPTIONS.ready,
  readyTimeoutMs: time("ready-timeout", READINESS, [DEFAULT_READY_TIMEOUT_MS, 1],
    "A generation that is not ready after this time has failed; the old one keeps serving."),

  live: READY_OPTIONS.live,
  ...CHECK_OPTIONS,

  canary: {
    type: "percent", flag: "canary", group: ROLLOUT, placeholder: "PERCENT", default: null,
    help: "Give a new generation this percentage of the new connections until 'baton canary', " +
      "'baton promote', 'baton rollback' or --ramp changes it.",
  },
  rampMs: time("ramp", ROLLOUT, [0, 0],
    "Shift the new connections to a new generation gradually, over this time."),
  bakeMs: time("bake", ROLLOUT, [0, 0], "Keep the old generation running for this time after all " +
    "new connections go to the new one, which is rolled back if it exits or becomes unhealthy."),
  hold: {
    type: "flag", flag: "hold", group: ROLLOUT, placeholder: null, default: false,
    help: "Keep the old generation running until 'baton promote' or 'baton rollback'.",
  },
  rollbackOn: choice("rollback-on", ROLLOUT, ["any", "health", "crash"],
    "What rolls back a generation on trial: crash, that it exits; health, also a failed check of " +
    "--live or --eject-after; any, also an accept queue that overflows."),
  ejectAfterMs: time("eject-after", ROLLOUT, [0, 0], "A generation that accepts nothing for this " +
    "time, while connections wait, is unhealthy: it is rolled back or replaced. 0: never."),

  drain: choice("drain", DRAIN, ["auto", "quiesce", "signal"],
    "How the old generation is drained: quiesce waits until its connections are idle before it " +
    "sends the stop signal, signal sends it at once and leaves draining to the server, auto does " +
    "that for servers known to be graceful."),
  drainTimeMs: time("drain-time", DRAIN, [DEFAULT_DRAIN_TIME_MS, 0],
    "Longest wait for the connections of the old generation."),
  drainSpreadMs: time("drain-spread", DRAIN, [null, 0],
    "Close event streams and WebSockets one by one over this last part of --drain-time. By default " +
    "a quarter of it, at most 30s. 0: all close with the server."),
  quietMs: time("quiet", DRAIN, [DEFAULT_QUIET_MS, 0],
    "A connection is idle when no response is due on it and it has been silent for this long."),
  stopSignal: {
    type: "signal", flag: "stop-signal", group: DRAIN, placeholder: "SIGNAL", default: null,
    help: "Signal that stops the server. By default the one known for the program (nginx: QUIT), " +
      "else TERM.",
  },
  stopTimeMs: time("stop-time", DRAIN, [DEFAULT_STOP_TIME_MS, 0],
    "Time from the stop signal to KILL."),
  maxGenerations: int("max-generations", DRAIN,
    [DEFAULT_MAX_GENERATIONS, MIN_MAX_GENERATIONS, MAX_MAX_GENERATIONS],
    "Most generations alive at any moment, at least 2: the old and the new one. The oldest " +
    "draining one is killed to make room."),

  shutdownOnly: {
    type: "flag", flag: "shutdown-only", group: POD, placeholder: null, default: false,
    help: "Only shut the server down gracefully: no reload and no handoff. For the main process of " +
      "a container.",
  },
  minDrainMs: time("min-drain", POD, [null, 0], "After TERM, keep accepting connections for at " +
    "least this time, and until none has arrived for --quiet. By default 5s in a Kubernetes pod, " +
    "else 0: not at all."),
  maxDrainMs: time("max-drain", POD, [DEFAULT_MAX_DRAIN_MS, 0], "With --shutdown-only: longest " +
    "time from the end of --min-drain to KILL."),
  readyDelayMs: time("ready-delay", POD, [0, 0],
    "After TERM, /readyz keeps succeeding for this time."),
  graceMs: time("grace", POD, [null, 0], "Grace period of the pod. baton refuses to start if it " +
    "is shorter than --min-drain, --max-drain (full mode: --drain-time, --stop-time and hooks) and " +
    "3s together."),
  signalTo: choice("signal-to", POD, ["process", "group"],
    "With --shutdown-only: whether signals go to the main process of the server or to its whole " +
    "group."),
  probeListen: text("probe-listen", POD, "ADDR:PORT",
    "Answer GET /startupz, /readyz and /livez there."),
  watch: {
    type: "paths", flag: "watch", group: POD, placeholder: "PATH", default: [],
    bytes: true,
    help: "Reload when this file, or a file in this directory, has changed. May be given several " +
      "times.",
  },

  keepAlive: choice("keep-alive", DRAIN, ["leave", "auto", "migrate"],
    "Keep-alive connections at a reload: leave lets the old generation keep them until it stops, " +
    "migrate moves them to the new one between two requests (HTTP/1). Moving costs a little for " +
    "each new connection: auto moves them where these are few."),

  preFlight: {
    ...path("pre-flight", HOOKS, "COMMAND", "Run this with sh before the server of each generation " +
      "is started, in its directory and environment. If it fails the generation has failed, and " +
      "the old one keeps serving: 'nginx -t'."),
    pattern: /\S/,
    patternText: "a command",
  },
  minFree: text("min-free", HOOKS, "SIZE", "Memory that must be free before a second copy of the " +
    "server is started: 512M, 2G, 10%, or auto for as much as the first one uses."),
  hook: {
    type: "hooks", flag: "hook", group: HOOKS, placeholder: "NAME=COMMAND", default: [],
    bytes: true,
    help: "Run this with sh at a given moment: pre-start and ready can veto a generation by their " +
      "exit status; pre-drain, post-stop and on-rollback cannot. May be given several times.",
  },
  hookTimeoutMs: time("hook-timeout", HOOKS, [DEFAULT_HOOK_TIMEOUT_MS, 1],
    "A pre-flight or hook that takes longer is killed with its process group, and has failed."),

  onCrash: {
    ...choice<OnCrash>("on-crash", CRASHES, ["restart", "exit"],
      "What to do when the serving generation exits unexpectedly. By default restart; with " +
      "--shutdown-only exit."),
    default: null,
  },
  crashDelayMs: time("crash-delay", CRASHES, [DEFAULT_CRASH_DELAY_MS, 0],
    "Wait before the second restart in a row of a server that crashes; doubles with each restart. " +
    "The first one is immediate."),
  crashDelayMaxMs: time("crash-delay-max", CRASHES, [DEFAULT_CRASH_DELAY_MAX_MS, 0],
    "The wait doubles no further than this."),
  crashLimit: int("crash-limit", CRASHES, [DEFAULT_CRASH_LIMIT, 1, MAX_CRASH_LIMIT],
    "baton exits after more crashes in a row than this; 10 s of serving reset the count."),
  orphan: choice("orphan", CRASHES, ["die", "keep"],
    "What happens to the server when baton itself is killed."),
  survive: {
    type: "flag", flag: "survive", group: CRASHES, placeholder: null, default: false,
    help: "When baton itself is killed, the server keeps serving and the next 'baton run' of this " +
      "name takes it over. A second small process, or systemd's descriptor store, keeps the sockets " +
      "for that.",
  },

  takeover: text("takeover", TAKEOVER, "PATH", "Take over the listeners of another baton through " +
    "its --handoff-socket, and stop it when it has drained. If no baton answers, start normally."),
  handoffSocket: text("handoff-socket", TAKEOVER, "PATH", "Let another baton take over through a " +
    "Unix socket at this path, which may be in a directory that two containers share."),
  parentShutdownTimeMs: time("parent-shutdown-time", TAKEOVER,
    [DEFAULT_PARENT_SHUTDOWN_TIME_MS, 0],
    "After a takeover the old baton is stopped after this time, if it is still draining."),

  usr1: choice("usr1", OUTPUT, ["auto", "forward", "ignore"],
    "Whether SIGUSR1, which makes baton reopen its log, is forwarded to the server; auto does so " +
    "for servers known to reopen their logs."),
  stopOn: {
    type: "signals", flag: "stop-on", group: OUTPUT, placeholder: "SIGNAL[,SIGNAL...]", default: [],
    help: "Signals that stop baton gracefully in addition to TERM, INT and QUIT, and lose any other " +
      "meaning: the STOPSIGNAL of an image (USR1, WINCH, RTMIN+3). May be given several times.",
  },
  output: choice("output", OUTPUT, ["capture", "direct"],
    "capture shows the last lines of a generation that failed to start; direct gives the server " +
    "the output of baton from the start, as baton always does with a terminal."),
  logFormat: choice("log-format", OUTPUT, ["text", "json"], "Format of the log of baton."),
  logLevel: {
    ...choice("log-level", OUTPUT, ["debug", "info", "warn", "error"],
      "Least severe messages that are logged."),
    default: DEFAULT_LOG_LEVEL,
  },
  logFile: path("log-file", OUTPUT, "FILE", "Write the log of baton to this file, reopened at " +
    "SIGUSR1, instead of standard error."),
};

/** Every option with its field, in the order of the documentation. */
export const OPTIONS: readonly (Option & { readonly field: ConfigField })[] = Object.entries(
  OPTION_BY_FIELD,
).map(([field, option]) => ({ ...option, field: field as ConfigField }));

/** Whether the option may be given several times. */
export function isRepeatable(option: Option): boolean {
  return ["list", "paths", "signals", "checks", "live checks", "hooks"].includes(option.type);
}

/** @returns the key of an option in a configuration file: `ready_timeout` for `ready-timeout` */
export function fileKey(flag: string): string {
  return flag.replaceAll("-", "_");
}
