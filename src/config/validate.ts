/**
 * The rules across options; `options.ts` has those of each option.
 *
 * Guarantees: pure; throws at the first broken rule, with a message that names the options as the user writes them.
 * Accepts a combination that is merely unusual.
 */
import { checkAdmin } from "./admin_rules.ts";
import { FIRST_PASSED_DESCRIPTOR } from "../platform/fd.ts";
import { type Config, isAbandoned } from "./config.ts";
import { formatDuration } from "./values/duration.ts";
import { checkEvents } from "./event_rules.ts";
import { checkEnvoyEpoch } from "./envoy_epoch.ts";
import { UserError } from "./values/errors.ts";
import { checkFronts } from "./values/front_spec.ts";
import { checkListeners } from "./values/listen_spec.ts";
import { presetForCommand } from "./presets.ts";
import { listenerPlaceholders, placeOf } from "./values/placeholders.ts";
import { suggest } from "./values/suggest.ts";

function checkCommand(config: Config): void {
  if (config.command[0] === undefined || config.command[0] === "") {
    throw new UserError("Cannot run the server: the name of its program is empty", {
      remedy: "Put the command after the options: baton run -- PROGRAM [ARGUMENT...]",
    });
  }
  const bad = config.command.find((word) => word.includes("\0"));
  if (bad !== undefined) {
    throw new UserError(`Cannot run the server: ${JSON.stringify(bad)} holds a NUL character`);
  }
}

function checkHandoff(config: Config): void {
  const { handoff, listen } = config;
  if (handoff === "inherit" && listen.length === 0) {
    const why = "there is no socket to pass";
    throw new UserError(`Cannot use --handoff inherit without --listen: ${why}`, {
      remedy: "Add --listen ADDRESS:PORT, or leave --handoff at auto",
    });
  }
  if (listen.length > 0 && handoff === "adopt") {
    throw new UserError(`Cannot use --listen with --handoff ${handoff}: it passes no sockets`, {
      remedy: "Remove --listen, or use --handoff auto or inherit",
    });
  }
  if (handoff === "inherit" && config.duplicates !== "auto") {
    throw new UserError("Cannot use --duplicates with --handoff inherit: there are none", {
      remedy: "Remove one of them",
    });
  }
  if (handoff === "inherit" && config.udp === "switch") {
    const why = "baton does not see what the server binds";
    throw new UserError(`Cannot use --udp switch with --handoff inherit: ${why}`, {
      remedy: "Use --handoff auto, which passes the sockets of --listen as well",
    });
  }
  const unixListener = listen.find(({ family }) => family === "unix");
  if (config.unix === "leave" && unixListener !== undefined) {
    throw new UserError(`Cannot use --unix leave with --listen ${unixListener.text}`, {
      remedy: "Remove one of them",
    });
  }
  if (config.workers !== 1 && unixListener !== undefined) {
    const why = "a path has room for the socket of one worker";
    throw new UserError(`Cannot use --workers with --listen ${unixListener.text}: ${why}`, {
      remedy:
        "Let the server bind a path of its own for each worker ({worker} in its command), or use TCP",
    });
  }
  if (config.duplicates === "at-bind" && config.udp === "switch") {
    throw new UserError(
      "Cannot use --udp switch with --duplicates at-bind: that replaces TCP and Unix sockets only",
      { remedy: "Use --duplicates auto" },
    );
  }
  checkListeners(listen);
}

/**
 * Checks the placeholders of the command. Not part of `validateConfig()`: sockets of the service manager have names
 * too, which are known only when baton starts. Without any listener such words are the server's own.
 *
 * @param config with all listeners
 * @throws {UserError} for an unknown name
 */
export function checkPlaceholders(config: Pick<Config, "command" | "listen">): void {
  const names = config.listen.map((spec) => spec.name);
  if (names.length === 0) return;
  for (const { text, kind, name } of listenerPlaceholders(config.command)) {
    const spec = config.listen.find((spec) => spec.name === name);
    if (spec !== undefined && (kind === "fd" || placeOf(spec, kind) !== null)) continue;
    if (spec !== undefined) {
      const other = kind === "port" ? "path" : "port";
      throw new UserError(`Cannot fill in ${text}: ${spec.text} has no ${kind}`, {
        remedy: `Use {${other}:${name}} or {fd:${name}}`,
      });
    }
    const near = suggest(name, names);
    const known = `there are ${names.join(", ")}`;
    throw new UserError(`Cannot fill in ${text}: no listener has this name, ${known}`, {
      remedy: near === null
        ? `Add --listen ${name === "" ? "NAME" : name}=ADDRESS:PORT`
        : `Did you mean {${kind}:${near}}?`,
    });
  }
}

function checkCrashDelays({ crashDelayMs, crashDelayMaxMs }: Config): void {
  if (crashDelayMs <= crashDelayMaxMs) return;
  const [delay, max] = [formatDuration(crashDelayMs), formatDuration(crashDelayMaxMs)];
  throw new UserError(`Cannot use --crash-delay ${delay}: --crash-delay-max is only ${max}`, {
    remedy: "Lower --crash-delay or raise --crash-delay-max",
  });
}

/** Signals whose default action does not terminate a process; signal(7). */
const NOT_TERMINATING: readonly string[] = ["SIGSTOP", "SIGCONT", "SIGCHLD", "SIGURG"];

function checkSignals(config: Config): void {
  if (config.stopSignal !== null && NOT_TERMINATING.includes(config.stopSignal)) {
    const why = "this signal does not terminate a process";
    throw new UserError(`Cannot use --stop-signal ${config.stopSignal}: ${why}`, {
      remedy: "Use the signal that shuts the server down, for most servers TERM",
    });
  }
  const stopSignal = config.stopSignal ??
    presetForCommand(config.command, config.preset).stopSignal;
  if (config.usr1 === "forward" && config.stopOn.includes("SIGUSR1")) {
    throw new UserError("Cannot use --usr1 forward with --stop-on USR1: there it stops baton", {
      remedy: "Remove one of the two",
    });
  }
  // A log rotation would stop the serving generation.
  if (config.usr1 === "forward" && stopSignal === "SIGUSR1") {
    throw new UserError("Cannot use --usr1 forward: SIGUSR1 is the stop signal of this server", {
      remedy: "Use --usr1 auto or ignore, or another --stop-signal",
    });
  }
}

/** @param how the options of `run`, or those of one reload */
export function checkRollout(
  { hold = false, bakeMs = 0, rolling = false, canary = null, rampMs = 0 }: Partial<Config>,
): void {
  if (rolling && (canary !== null || rampMs > 0)) {
    const option = canary === null ? "--ramp" : "--canary";
    throw new UserError(
      `Cannot use ${option} with --rolling: a new generation gets its share as its workers come`,
      { remedy: "Remove one of the two; --bake and --hold come after --rolling" },
    );
  }
  if (!hold || bakeMs === 0) return;
  throw new UserError("Cannot use --bake with --hold: --bake ends by itself, --hold does not", {
    remedy: "Remove one of the two",
  });
}

function checkPod(config: Config): void {
  const option = handoffOption(config);
  if (!config.shutdownOnly || option === null) return;
  throw new UserError(`Cannot use ${option} with --shutdown-only: there is no handoff`, {
    remedy: "Remove one of the two",
  });
}

function checkOrphan(config: Config): void {
  if (!isAbandoned(config) || config.duplicates !== "socket-trap") return;
  throw new UserError(
    "Cannot use --duplicates socket-trap with --orphan keep: " +
      "the server could make no connection once baton is gone",
    { remedy: "Use --survive instead of --orphan keep" },
  );
}

/** Refuses an option that no check would use: the user expects it to have an effect. */
function checkCheckOptions(config: Config): void {
  const kinds = new Set<string>([...config.ready, ...config.live].map(({ kind }) => kind));
  const uses: readonly (readonly [flag: string, given: boolean, kinds: readonly string[]])[] = [
    ["check-host", config.checkHost !== null, ["http", "grpc"]],
    ["check-method", config.checkMethod !== "GET", ["http"]],
    ["check-status", config.checkStatus !== null, ["http"]],
    ["check-retriable-status", config.checkRetriableStatus !== null, ["http"]],
    ["check-body", config.checkBody !== null, ["http"]],
    ["check-service-name", config.checkServiceName !== null, ["http"]],
    ["check-send", config.checkSend !== null, ["tcp"]],
    ["check-receive", config.checkReceive !== null, ["tcp"]],
  ];
  for (const [flag, given, needed] of uses) {
    if (!given || needed.some((kind) => kinds.has(kind))) continue;
    const wanted = needed.join(" or ");
    throw new UserError(`Cannot use --${flag}: there is no ${wanted} check`, {
      remedy: `Add one with --ready or --live, or remove --${flag}`,
    });
  }
  if (config.checkMethod === "HEAD" && config.checkBody !== null) {
    throw new UserError("Cannot use --check-body with --check-method HEAD: it has no body", {
      remedy: "Use GET, or remove --check-body",
    });
  }
}

function checkAnnouncements(config: Config): void {
  const { ready, listen, output, survive, orphan } = config;
  const announced = ready.filter((spec) => spec.kind === "fd");
  if (announced.length > 1) {
    const both = announced.map(({ text }) => text).join(" and ");
    throw new UserError(`Cannot use --ready ${both}: a server has only one ready descriptor`, {
      remedy: "Remove one of them",
    });
  }
  const [fd] = announced;
  if (fd !== undefined && fd.descriptor < FIRST_PASSED_DESCRIPTOR + listen.length) {
    const name = listen[fd.descriptor - FIRST_PASSED_DESCRIPTOR]?.name ?? "";
    throw new UserError(`Cannot use --ready ${fd.text}: it is the socket of listener ${name}`, {
      remedy: `Use a descriptor from ${FIRST_PASSED_DESCRIPTOR + listen.length} on`,
    });
  }
  const log = ready.find((spec) => spec.kind === "log");
  if (log === undefined) return;
  const conflict = output === "direct"
    ? "--output direct"
    : survive
    ? "--survive"
    : orphan === "keep"
    ? "--orphan keep"
    : null;
  if (conflict === null) return;
  throw new UserError(
    `Cannot use --ready ${log.text} with ${conflict}: the server's output must come through baton`,
    { remedy: "Use another --ready, such as http:/PATH or notify" },
  );
}

type GivenOption = readonly [isGiven: boolean, option: string];

function firstGiven(options: readonly GivenOption[]): string | null {
  return options.find(([isGiven]) => isGiven)?.[1] ?? null;
}

function optionsForTwo(config: Config): GivenOption[] {
  return [
    [config.canary !== null, "--canary"],
    [config.rampMs > 0, "--ramp"],
    [config.bakeMs > 0, "--bake"],
    [config.hold, "--hold"],
    [config.rolling, "--rolling"],
    [config.takeover !== null, "--takeover"],
    [config.handoffSocket !== null, "--handoff-socket"],
  ];
}

/** @returns the first given option for which two generations run at the same time; null: none */
export function optionForTwo(config: Config): string | null {
  return firstGiven(optionsForTwo(config));
}

/** @returns the first given option that needs a handoff, and so excludes --shutdown-only; null: none */
export function handoffOption(config: Config): string | null {
  const gate = config.ready.find(({ kind }) => kind !== "auto" && kind !== "listen");
  return firstGiven([
    [config.workers !== 1, "--workers"],
    [config.listen.length > 0, "--listen"],
    [config.handoff !== "auto", "--handoff"],
    [config.duplicates !== "auto", "--duplicates"],
    [config.udp === "switch", "--udp switch"],
    [config.front.length > 0, "--front"],
    [gate !== undefined, `--ready ${gate?.text}`],
    [config.live.length > 0, "--live"],
    [config.watch.length > 0, "--watch"],
    ...optionsForTwo(config),
    [config.ejectAfterMs > 0, "--eject-after"],
    [config.preFlight !== null, "--pre-flight"],
    [config.minFree !== null, "--min-free"],
    [config.sharedFiles !== "warn", `--shared-files ${config.sharedFiles}`],
    [config.hook.length > 0, "--hook"],
    [config.survive, "--survive"],
    [config.keepAlive !== "leave", `--keep-alive ${config.keepAlive}`],
    [config.onCrash === "restart", "--on-crash restart"],
  ]);
}

/**
 * Checks a configuration whose values are valid each by itself.
 *
 * @throws {UserError} at the first broken rule
 */
export function validateConfig(config: Config): void {
  checkCommand(config);
  checkHandoff(config);
  checkCrashDelays(config);
  checkSignals(config);
  checkCheckOptions(config);
  checkAnnouncements(config);
  checkRollout(config);
  checkPod(config);
  checkOrphan(config);
  checkAdmin(config);
  checkEvents(config);
  checkFronts(config);
  if (!config.shutdownOnly && config.restartEpoch !== "0") checkEnvoyEpoch(config.command);
}
