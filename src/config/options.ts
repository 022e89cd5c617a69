/**
 * The single table of options of `baton run`: fields and types of `Config`, flags, keys of the configuration file, help
 * text and documentation all follow from it. The flag is `--ready-timeout`, its key `ready_timeout`, its field
 * `readyTimeoutMs`. validate.ts has the rules across options.
 */
import { HEALTH, READINESS } from "./check_options.ts";
import {
  choice,
  flag,
  int,
  intOrAuto,
  list,
  matching,
  type OptionValue,
  parsed,
  percent,
  positiveTime,
  refuse,
  scalar,
  text,
  time,
  withBytes,
} from "./option_makers.ts";
import { formatDuration } from "./values/duration.ts";
import { MAX_WORKERS } from "../lifecycle/limits.ts";
import { parseHookSpec } from "./values/hook_spec.ts";
import { parseListenSpec, parseOwnAddress } from "./values/listen_spec.ts";
import { parseMinFree } from "./values/memory_size.ts";
import { parseExitStatuses } from "./values/exit_statuses.ts";
import { parseSignalName, parseStopSignals } from "./values/signals.ts";

export const DEFAULT_QUIET_MS = 500;
/** With 5 s before and 3 s after it, 28 s of a pod's 30. */
export const DEFAULT_MAX_DRAIN_MS = 20_000;
/** Default of `--quiet` with `--shutdown-only`, where it is also the time without a new connection. */
export const SHUTDOWN_QUIET_MS = 2_000;

/** What the place in the table says. */
interface OptionNames {
  /** Of `Config`. */
  readonly field: string;
  /** Without the leading dashes. */
  readonly flag: string;
  /** Heading in help and documentation. */
  readonly group: string;
}

export type Option = OptionValue<unknown> & OptionNames;

/** Gives each entry its field, its flag and the heading of its group. */
function group<T extends Readonly<Record<string, OptionValue<unknown>>>>(
  heading: string,
  values: T,
) {
  const named = Object.entries(values).map(([field, value]) => {
    const words = field.replace(/Ms$/, "").replace(/[A-Z]/g, (letter) => `-${letter}`);
    return [field, { ...value, field, flag: words.toLowerCase(), group: heading }];
  });
  return Object.fromEntries(named) as { readonly [F in keyof T]: T[F] & OptionNames };
}

// deno-fmt-ignore: one option per entry, so that it reads as a table
export const OPTION_BY_FIELD = {
  ...group("Service", {
    name: parsed("NAME", "Name of the service, which the other commands use to address it. By " +
      "default the name of the program, or of the script that an interpreter runs.",
      matching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/,
        "1 to 63 letters, digits, '_', '.' or '-', and not begin with '.' or '-'")),
    cwd: withBytes(text("DIR", "Working directory of the server, resolved again for each " +
      "generation, so that a symbolic link may move to the next release.")),
    envFile: withBytes(text("FILE", "File with KEY=VALUE lines for the environment of the " +
      "server, read again for each generation.")),
    /** 0: one for each processor that this process may use. */
    workers: intOrAuto(1, [1, MAX_WORKERS], "Run this many processes of the server in each " +
      "generation, each with listeners of its own; auto: one for each processor that baton may " +
      "use. {worker} in the command and BATON_WORKER tell them apart, from 0 on (docs/workers.md)."),
    runtimeDir: text("DIR", "Directory of the control socket and the lock. By default " +
      "RUNTIME_DIRECTORY, else /run/baton for root, XDG_RUNTIME_DIR/baton for others."),
    pidfile: text("FILE",
      "Write the process id of baton to this file. A reload does not change it."),
    serverPidfile: text("FILE", "The server's own pid file: it names the serving process at every " +
      "moment, though old generations remove it at their end. By default the one that the " +
      "command of a known server names (docs/presets.md). none: leave it to the server."),
  }),

  ...group("Listeners and handoff", {
    listen: list("[NAME=]ADDR:PORT", "Bind this address in baton and pass the socket to the " +
      "server, from descriptor 3 on (LISTEN_FDS, SERVER_STARTER_PORT, EINHORN_FDS, {fd:NAME}, " +
      "{port:NAME}). unix:/PATH[,mode=0660][,user=NAME][,group=NAME] is a Unix socket, and " +
      "{path:NAME} its path. May be given several times. Not needed for servers that bind their own " +
      "sockets.",
      (texts) => texts.map(parseListenSpec)),
    /** The default is the kernel's own of net.core.somaxconn, which caps it anyway. */
    backlog: int(4096, [1, 65_535],
      "Length of the accept queue of the listeners that baton binds."),
    handoff: choice(["auto", "adopt", "inherit"], "auto", "How a new generation gets its " +
      "sockets: adopt lets the server bind its own sockets beside the old one's, inherit passes " +
      "the sockets of --listen, auto does both."),
    duplicates: choice(["auto", "getfd", "socket-trap", "at-bind"], "auto", "How baton gets a duplicate of " +
      "a listener that the server has made: getfd takes it from the server (pidfd_getfd), " +
      "socket-trap makes the sockets for the server, for containers without that call and for " +
      "servers that become another user, at-bind replaces a listener when it is bound, for proxies " +
      "where that call is missing; auto tries the first two (docs/handoff.md)."),
    udp: choice(["leave", "switch"], "leave", "What becomes of the UDP sockets that a server " +
      "binds: leave does nothing, and a second copy can bind them only where the server sets " +
      "SO_REUSEPORT itself; switch leads new datagrams to the new generation when it serves. Not " +
      "for QUIC, whose connections would break."),
    unix: choice(["switch", "leave"], "switch", "What becomes of the Unix sockets that a server " +
      "binds at a path: switch hands them over, and so calls that name a path ask baton first " +
      "(docs/unix.md); leave does nothing, for servers that name thousands of files a second."),
    unixShared: flag("Abstract Unix sockets (@name) have no node that could be switched: let all " +
      "generations have one socket, from which a new one accepts before it is ready. Without it a " +
      "reload of a server that binds such a name fails."),
  }),

  ...group("Workers", {
    spread: choice(["random", "least", "cpu"], "random", "How new connections are spread over the " +
      "workers, or over the listeners of a server that has several: random, each has the same " +
      "chance; least, not to those whose accept queue is longer than the others'; cpu, by the " +
      "processor that a connection comes in on. UDP: always by the client's address and port."),
    rolling: flag("At a reload replace the workers one by one, so that memory grows by one worker " +
      "only. If a new one fails, the old generation gets its full number again."),
  }),

  ...group("Readiness", READINESS),
  ...group("Health checks", HEALTH),

  ...group("Pre-flight and hooks", {
    preFlight: withBytes(parsed("COMMAND", "Run this with sh before the server of each " +
      "generation is started, in its directory and environment. If it fails the generation has " +
      "failed, and the old one keeps serving: 'nginx -t'.", matching(/\S/, "a command"))),
    /** For `parseMinFree`. */
    minFree: parsed("SIZE", "Memory that must be free before a second copy of the server is " +
      "started: 512M, 2G, 10%, or auto for as much as the first one uses.", checkedSize),
    hook: withBytes(list("NAME=COMMAND", "Run this with sh at a given moment: pre-start and " +
      "ready can veto a generation by their exit status; pre-drain, post-stop and on-rollback " +
      "cannot. May be given several times.", (texts) => texts.map(parseHookSpec))),
    hookTimeoutMs: positiveTime(30_000,
      "A pre-flight or hook that takes longer is killed with its process group, and has failed."),
  }),

  ...group("Admission of a new generation", {
    order: choice(["auto", "start-first", "stop-first"], "auto", "What a reload does first: " +
      "start-first starts the new server beside the old one; stop-first, for servers that must " +
      "not run twice, stops the old one first, and clients wait in the queue meanwhile. auto: " +
      "stop-first for programs known to be of that kind."),
    sharedFiles: choice(["refuse", "warn", "allow"], "warn", "What to do when the new generation " +
      "has a file open for writing that the serving one writes to as well, or waits for a lock that " +
      "it holds: refuse lets the new generation fail, warn reports it, allow does not look."),
    /** Null: all at once. */
    canary: percent("Give a new generation this percentage of the new connections until " +
      "'baton canary', 'baton promote', 'baton rollback' or --ramp changes it."),
    rampMs: time(0,
      "Shift the new connections to a new generation gradually, over this time."),
    bakeMs: time(0, "Keep the old generation running for this time after all new connections go " +
      "to the new one, which is rolled back if it exits or becomes unhealthy."),
    hold: flag("Keep the old generation running until 'baton promote' or 'baton rollback'."),
    /** Each value includes the ones after it. */
    rollbackOn: choice(["any", "health", "crash"], "any", "What rolls back a generation on " +
      "trial: crash, that it exits; health, also a failed check of --live or --eject-after; any, " +
      "also an accept queue that overflows."),
    ejectAfterMs: time(0, "A generation that accepts nothing for this time, while connections " +
      "wait, is unhealthy: it is rolled back or replaced. 0: never."),
  }),

  ...group("Drain and stop", {
    drain: choice(["auto", "quiesce", "signal"], "auto", "How the old generation is drained: " +
      "quiesce waits until its connections are idle before it sends the stop signal, signal " +
      "sends it at once and leaves draining to the server, auto does that for servers known to " +
      "be graceful."),
    drainTimeMs: time(60_000, "Longest wait for the connections of the old generation."),
    stopFirstDrainMs: time(5_000, "The same where the old generation stops before the new one " +
      "starts (--order stop-first): new clients wait meanwhile."),
    /** Null: generation/stop_policy.ts. */
    drainSpreadMs: time(null, "Close event streams and WebSockets one by one over this last part " +
      "of --drain-time. By default a quarter of it, at most 30s. 0: all close with the server."),
    quietMs: time(DEFAULT_QUIET_MS, "A connection is idle when no response is due on it and it " +
      "has been silent for this long."),
    stopSignal: {
      placeholder: "SIGNAL",
      help: "Signal that stops the server. By default the one known for the program (nginx: " +
        "QUIT), else TERM.",
      default: null,
      read: scalar("the name of a signal", parseSignalName),
    },
    stopTimeMs: time(10_000, "Time from the stop signal to KILL. By default 10s, and 5m for known " +
      "databases (docs/presets.md)."),
    cleanExit: list("STATUS[,STATUS...]", "Exit statuses besides 0 that are no failure of a server " +
      "that has got its stop signal: 'baton run' ends with 0 then. Known ones (dropbear: 1) need " +
      "not be given. May be given several times.", parseExitStatuses),
    maxGenerations: int(4, [2, 64], "Most generations alive at any moment, at least 2: the old " +
      "and the new one. The oldest draining one is killed to make room."),
    keepAlive: choice(["leave", "auto", "migrate"], "leave", "Keep-alive connections at a " +
      "reload: leave lets the old generation keep them until it stops, migrate moves them to the " +
      "new one between two requests (HTTP/1). Moving costs a little for each new connection: " +
      "auto moves them where these are few."),
  }),

  ...group("Pods", {
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
    watch: withBytes(list("PATH", "Reload when this file, or a file in this directory, has " +
      "changed. May be given several times.", (texts) => texts.map(checkedPath))),
  }),

  ...group("Crashes", {
    /** Null: restart, and with `shutdownOnly` exit. */
    onCrash: choice(["restart", "exit"], null, "What to do when the serving generation exits " +
      "unexpectedly. By default restart; with --shutdown-only exit."),
    crashDelayMs: time(200, "Wait before the second restart in a row of a server that crashes; " +
      "doubles with each restart. The first one is immediate."),
    crashDelayMaxMs: time(30_000, "The wait doubles no further than this."),
    crashLimit: int(10, [1, 1_000_000],
      "baton exits after more crashes in a row than this; 10 s of serving reset the count."),
    orphan: choice(["die", "keep"], "die",
      "What happens to the server when baton itself is killed."),
    /** Overrides `orphan`. */
    survive: flag("When baton itself is killed, the server keeps serving and the next 'baton " +
      "run' of this name takes it over. A second small process, or systemd's descriptor store, " +
      "keeps the sockets for that."),
  }),

  ...group("Takeover from another baton", {
    takeover: text("PATH", "Take over the listeners of another baton through its " +
      "--handoff-socket, and stop it when it has drained. If no baton answers, start normally."),
    handoffSocket: text("PATH", "Let another baton take over through a Unix socket at this path, " +
      "which may be in a directory that two containers share."),
    /** The default is Envoy's, and longer than any drain time. */
    parentShutdownTimeMs: time(900_000,
      "After a takeover the old baton is stopped after this time, if it is still draining."),
  }),

  ...group("Signals and output", {
    usr1: choice(["auto", "forward", "ignore"], "auto", "Whether SIGUSR1, which makes baton " +
      "reopen its log, is forwarded to the server; auto does so for servers known to reopen " +
      "their logs."),
    stopOn: list("SIGNAL[,SIGNAL...]", "Signals that stop baton gracefully in addition to TERM, " +
      "INT and QUIT, and lose any other meaning: the STOPSIGNAL of an image (USR1, WINCH, " +
      "RTMIN+3). May be given several times.", parseStopSignals),
    output: choice(["capture", "direct"], "capture", "capture shows the last lines of a " +
      "generation that failed to start; direct gives the server the output of baton from the " +
      "start, as baton always does with a terminal."),
    logFormat: choice(["text", "json"], "text", "Format of the log of baton."),
    logLevel: choice(["debug", "info", "warn", "error"], "info",
      "Least severe messages that are logged."),
    logFile: withBytes(text("FILE", "Write the log of baton to this file, reopened at SIGUSR1, " +
      "instead of standard error.")),
  }),
};

/** The value of each field: as it is read, or its default. */
export type OptionValues = {
  readonly [F in keyof typeof OPTION_BY_FIELD]:
    | ReturnType<(typeof OPTION_BY_FIELD)[F]["read"]>
    | (typeof OPTION_BY_FIELD)[F]["default"];
};

/** In the order of the documentation. */
export const OPTIONS: readonly Option[] = Object.values(OPTION_BY_FIELD);

/** In the order of the documentation. */
export const OPTION_GROUPS: readonly string[] = [...new Set(OPTIONS.map(({ group }) => group))];

/** @returns the default as a user would write it; null: help shows none */
export function defaultText({ default: value, placeholder }: Option): string | null {
  if (typeof value === "string") return value;
  if (typeof value !== "number") return null;
  return placeholder === "TIME" ? formatDuration(value) : String(value);
}

/** @returns the key of an option in a configuration file: `ready_timeout` for `ready-timeout` */
export function fileKey(flag: string): string {
  return flag.replaceAll("-", "_");
}

function checkedPath(path: string): string {
  if (path === "" || path.includes("\0")) throw refuse(path, "the path of a file or directory");
  return path;
}

function checkedSize(text: string): string {
  parseMinFree(text);
  return text;
}
