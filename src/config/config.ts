/**
 * The validated configuration of one `baton run`: what every other part of baton is told.
 *
 * Guarantees: all durations are whole milliseconds, all listeners are parsed, every rule across
 * options has been checked (see `validate.ts`). Holds no defaults: those are in `options.ts`.
 */
import type { SignalName } from "./values/signals.ts";
import type { CheckConfig } from "./check_options.ts";
import type { HookName, HookSpec } from "./values/hook_spec.ts";
import type { ListenSpec } from "./values/listen_spec.ts";

/** How a generation gets its listening sockets (docs/handoff.md). */
export type HandoffMode = "auto" | "adopt" | "inherit";

/** How the old generation is emptied before its stop signal (docs/restart.md). */
export type DrainMode = "auto" | "quiesce" | "signal";

/** What happens when the serving generation ends although nobody asked it to. */
export type OnCrash = "restart" | "exit";

/** What becomes of the server when baton itself is killed. */
export type OrphanPolicy = "die" | "keep";

/** What SIGUSR1 does besides reopening baton's own log. */
export type Usr1Policy = "auto" | "forward" | "ignore";

/** Who gets signals that are forwarded, and the stop signal, with `--shutdown-only`. */
export type SignalTarget = "process" | "group";

/** What `run` was asked to do; every field is always present. */
export interface Config extends CheckConfig {
  /** Program and arguments of the server, at least one element. */
  readonly command: readonly string[];
  /** Name of this service: names its control socket, lock and log lines. */
  readonly name: string;
  /** Working directory of the server, resolved anew for each generation; null = baton's own. */
  readonly cwd: string | null;
  /** File with `KEY=VALUE` lines, read anew for each generation; null = none. */
  readonly envFile: string | null;
  /** Addresses that baton binds itself and passes on (inherit). */
  readonly listen: readonly ListenSpec[];
  /** `--backlog`: length of the accept queue of listeners that baton binds. */
  readonly backlog: number;
  readonly handoff: HandoffMode;
  /** The gate fails when it has not passed after this time. */
  readonly readyTimeoutMs: number;
  /** First share of the new connections for a new generation, in percent; null: all at once. */
  readonly canary: number | null;
  /** From that share to all of them. */
  readonly rampMs: number;
  /** How long the old generation stays up after the new one has got all new connections. */
  readonly bakeMs: number;
  /** It stays up until somebody decides. */
  readonly hold: boolean;
  /** What sends a generation on trial away; each value includes the ones before it. */
  readonly rollbackOn: "crash" | "health" | "any";
  /** A generation whose accept queue does not move for this time is not healthy; 0 = that is not looked at. */
  readonly ejectAfterMs: number;
  readonly drain: DrainMode;
  /** What becomes of connections that clients keep open, at a reload. */
  readonly keepAlive: "auto" | "migrate" | "leave";
  /** Longest time that connections of the old generation are waited for. */
  readonly drainTimeMs: number;
  /** Of that, the last part, in which long-lived connections are closed one by one; null: generation/stop_policy.ts. */
  readonly drainSpreadMs: number | null;
  /** A connection is idle when nothing was sent or received on it for this long, and no answer is owed. */
  readonly quietMs: number;
  /** Null: what the preset for the program says, else SIGTERM. */
  readonly stopSignal: SignalName | null;
  /** From the stop signal to SIGKILL. */
  readonly stopTimeMs: number;
  /** Most generations alive at any moment; the oldest draining one is killed first. */
  readonly maxGenerations: number;
  /** No handoff: only the end of the server is baton's business. */
  readonly shutdownOnly: boolean;
  /** Least time between TERM and the stop signal; null = as `pod/budget.ts` finds. */
  readonly minDrainMs: number | null;
  /** With `shutdownOnly`: from the end of `minDrainMs` to SIGKILL. */
  readonly maxDrainMs: number;
  /** How long /readyz says yes after TERM. */
  readonly readyDelayMs: number;
  /** terminationGracePeriodSeconds; null = not known. */
  readonly graceMs: number | null;
  readonly signalTo: SignalTarget;
  /** Address of the probes, as `parseListenSpec` takes it; null = none. */
  readonly probeListen: string | null;
  /** Files and directories whose change is a reload. */
  readonly watch: readonly string[];
  /** For `sh -c`, before each generation's process is started: it must succeed. */
  readonly preFlight: string | null;
  /** Memory that must be free before a second copy starts, as `parseMinFree` takes it; null = not looked at. */
  readonly minFree: string | null;
  /** Commands at certain moments, in the order in which they were given. */
  readonly hook: readonly HookSpec[];
  /** A pre-flight or hook that takes longer is ended, and has failed. */
  readonly hookTimeoutMs: number;
  /** Null: restart, and with `shutdownOnly` exit. */
  readonly onCrash: OnCrash | null;
  /** Delay before the second restart in a row; doubles up to `crashDelayMaxMs`. The first has none. */
  readonly crashDelayMs: number;
  readonly crashDelayMaxMs: number;
  /** The breaker: more crashes than this without a stretch of good health between them end baton. */
  readonly crashLimit: number;
  readonly orphan: OrphanPolicy;
  /** The server outlives baton, and the next baton of this name goes on with it; wins over `orphan`. */
  readonly survive: boolean;
  /** `--takeover`: handoff socket of the baton whose listeners are taken over; null = none. */
  readonly takeover: string | null;
  /** `--handoff-socket`: where another baton may take over from this one; null = nowhere. */
  readonly handoffSocket: string | null;
  /** The old baton is told to stop this long after it was replaced. */
  readonly parentShutdownTimeMs: number;
  readonly usr1: Usr1Policy;
  /** Signals that stop baton, besides `STOP_SIGNALS` of signals.ts; they win over every other use. */
  readonly stopOn: readonly SignalName[];
  /** Forward a candidate's output through baton ("capture") or give it baton's descriptors at once ("direct"). */
  readonly output: "capture" | "direct";
  /** Null: no file is written. */
  readonly pidfile: string | null;
  /** Directory of control socket and lock; null = chosen by `admin/paths.ts`. */
  readonly runtimeDir: string | null;
  readonly logFormat: "text" | "json";
  readonly logLevel: "debug" | "info" | "warn" | "error";
  /** File that baton's own log goes to, reopened at SIGUSR1; null = standard error. */
  readonly logFile: string | null;
}

/** Whether servers live on when baton is killed. */
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
