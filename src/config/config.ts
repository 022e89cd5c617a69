/**
 * The validated configuration of one `baton run`.
 *
 * Guarantees: all durations are whole milliseconds, all listeners are parsed, every rule across options holds
 * (`validate.ts`). The defaults are in `options.ts`.
 */
import type { SignalName } from "./values/signals.ts";
import type { CheckConfig } from "./check_options.ts";
import type { HookName, HookSpec } from "./values/hook_spec.ts";
import type { ListenSpec } from "./values/listen_spec.ts";

/** How a generation gets its listening sockets (docs/handoff.md). */
type HandoffMode = "auto" | "adopt" | "inherit";

/** How the old generation is drained before its stop signal (docs/restart.md). */
type DrainMode = "auto" | "quiesce" | "signal";

/** What happens when the serving generation exits unexpectedly. */
export type OnCrash = "restart" | "exit";

/** What happens to the server when baton itself is killed. */
type OrphanPolicy = "die" | "keep";

/** What SIGUSR1 does in addition to reopening baton's own log. */
type Usr1Policy = "auto" | "forward" | "ignore";

/** Which processes get forwarded signals and the stop signal, with `--shutdown-only`. */
type SignalTarget = "process" | "group";

/** Every field is always present. */
export interface Config extends CheckConfig {
  /** Program and arguments of the server, at least one element. */
  readonly command: readonly string[];
  /** Name of the service: in the names of its control socket and lock, and in log lines. */
  readonly name: string;
  /** Working directory of the server, resolved again for each generation; null = baton's own. */
  readonly cwd: string | null;
  /** File with `KEY=VALUE` lines, read again for each generation; null = none. */
  readonly envFile: string | null;
  /** Addresses that baton binds itself and passes to the server (inherit). */
  readonly listen: readonly ListenSpec[];
  /** `--backlog`: length of the accept queue of listeners that baton binds. */
  readonly backlog: number;
  readonly handoff: HandoffMode;
  /** The gate fails when it has not passed after this time. */
  readonly readyTimeoutMs: number;
  /** Initial weight of a new generation: percentage of the new connections; null: all at once. */
  readonly canary: number | null;
  /** Time from that weight to all new connections. */
  readonly rampMs: number;
  /** How long the old generation keeps running after the new one gets all new connections. */
  readonly bakeMs: number;
  /** It keeps running until an operator decides. */
  readonly hold: boolean;
  /** What rolls back a generation on trial; each value includes the ones before it. */
  readonly rollbackOn: "crash" | "health" | "any";
  /** A generation whose accept queue does not move for this time is unhealthy; 0 = never. */
  readonly ejectAfterMs: number;
  readonly drain: DrainMode;
  /** What happens to keep-alive connections at a reload. */
  readonly keepAlive: "auto" | "migrate" | "leave";
  /** Longest wait for the connections of the old generation. */
  readonly drainTimeMs: number;
  /** The last part of that, in which long-lived connections are closed one by one; null: generation/stop_policy.ts. */
  readonly drainSpreadMs: number | null;
  /** A connection is idle when it has been silent for this long and no response is due. */
  readonly quietMs: number;
  /** Null: that of the program's preset, else SIGTERM. */
  readonly stopSignal: SignalName | null;
  /** From the stop signal to SIGKILL. */
  readonly stopTimeMs: number;
  /** Most generations alive at any moment; the oldest draining one is killed first. */
  readonly maxGenerations: number;
  /** No handoff: baton only shuts the server down gracefully. */
  readonly shutdownOnly: boolean;
  /** Least time between TERM and the stop signal; null = from `pod/budget.ts`. */
  readonly minDrainMs: number | null;
  /** With `shutdownOnly`: from the end of `minDrainMs` to SIGKILL. */
  readonly maxDrainMs: number;
  /** How long /readyz keeps succeeding after TERM. */
  readonly readyDelayMs: number;
  /** terminationGracePeriodSeconds; null = unknown. */
  readonly graceMs: number | null;
  readonly signalTo: SignalTarget;
  /** Address of the probes, for `parseListenSpec`; null = none. */
  readonly probeListen: string | null;
  /** Files and directories whose change triggers a reload. */
  readonly watch: readonly string[];
  /** For `sh -c`: must succeed before each generation's process is started. */
  readonly preFlight: string | null;
  /** Memory that must be free before a second copy starts, for `parseMinFree`; null = any. */
  readonly minFree: string | null;
  /** Commands for given moments, in the order of the command line. */
  readonly hook: readonly HookSpec[];
  /** A pre-flight or hook that takes longer is killed, and has failed. */
  readonly hookTimeoutMs: number;
  /** Null: restart, and with `shutdownOnly` exit. */
  readonly onCrash: OnCrash | null;
  /** Delay before the second restart in a row; doubles up to `crashDelayMaxMs`. The first has none. */
  readonly crashDelayMs: number;
  readonly crashDelayMaxMs: number;
  /** The circuit breaker: baton exits after more crashes than this without healthy service between them. */
  readonly crashLimit: number;
  readonly orphan: OrphanPolicy;
  /** The server outlives baton, and the next instance of this name takes it over; overrides `orphan`. */
  readonly survive: boolean;
  /** `--takeover`: handoff socket of the baton to take listeners over from; null = none. */
  readonly takeover: string | null;
  /** `--handoff-socket`: where another baton may take over from this one; null = nowhere. */
  readonly handoffSocket: string | null;
  /** The old baton is stopped this long after a takeover. */
  readonly parentShutdownTimeMs: number;
  readonly usr1: Usr1Policy;
  /** Signals that stop baton in addition to `STOP_SIGNALS` of signals.ts; they lose any other meaning. */
  readonly stopOn: readonly SignalName[];
  /** Forward a candidate's output through baton ("capture"), or give it baton's descriptors ("direct"). */
  readonly output: "capture" | "direct";
  /** Null: none. */
  readonly pidfile: string | null;
  /** Directory of control socket and lock; null = chosen by `admin/paths.ts`. */
  readonly runtimeDir: string | null;
  readonly logFormat: "text" | "json";
  readonly logLevel: "debug" | "info" | "warn" | "error";
  /** File of baton's own log, reopened at SIGUSR1; null = standard error. */
  readonly logFile: string | null;
}

/** Whether servers keep running when baton is killed. */
export function outlivesBaton(config: Config): boolean {
  return config.survive || config.orphan === "keep";
}

/** Longest time from the start of a generation to its switch, hooks included, in milliseconds. */
export function longestStartMs(config: Config): number {
  const preFlights = config.preFlight === null ? 0 : 1;
  const commands = preFlights + countHooks(config, ["pre-start", "ready"]);
  return config.readyTimeoutMs + commands * config.hookTimeoutMs;
}

/** Longest time from the request to stop to the exit of baton, hooks included. */
export function longestStopMs(config: Config): number {
  const hookMs = (names: readonly HookName[]) => countHooks(config, names) * config.hookTimeoutMs;
  const stopMs = config.drainTimeMs + config.stopTimeMs + hookMs(["pre-drain", "post-stop"]);
  // The on-rollback hooks of a candidate that has just failed run beside all of this.
  return Math.max(stopMs, hookMs(["on-rollback"]));
}

function countHooks(config: Config, names: readonly HookName[]): number {
  return config.hook.filter(({ name }) => names.includes(name)).length;
}
