/** Starts the command of an exec check: as baton itself, or as the user of the server (--user). */
import { withoutOptions } from "../../config/env_options.ts";
import { ExecCheck } from "../../health/exec_check.ts";
import { serverEnvironment } from "../../handoff/socket_protocols.ts";
import { withoutStale } from "../../platform/process/environment.ts";
import { startLauncher } from "../../launcher/start.ts";
import type { Fd } from "../../platform/fd.ts";
import { shellPlan } from "../../process/launch_plan.ts";
import { accountEnvironment } from "../../process/process_settings.ts";
import type { RunningContext } from "../context.ts";

interface ExecTarget {
  readonly context:
    & Pick<RunningContext, "config" | "platform" | "children" | "logError">
    & { readonly listeners: Partial<Pick<RunningContext["listeners"], "dialed" | "groups">> };
  readonly epoch: number;
  readonly number: number;
  readonly pid: number | null;
}

interface ExecRequest {
  readonly command: string;
  /** The option that names it, without dashes. */
  readonly occasion: "ready" | "live" | "drain-call" | "drain-undo";
  readonly timeoutMs: number;
  readonly onResult: ExecCheck["options"]["onResult"];
}

export function beginExecCheck(target: ExecTarget, request: ExecRequest): ExecCheck {
  const { config, platform, children } = target.context;
  const { command, occasion, timeoutMs, onResult } = request;
  return new ExecCheck(platform, {
    command,
    timeoutMs,
    onResult,
    directory: config.cwd ?? "/",
    env: commandEnvironment(target, occasion),
    onStarted: (pid, onEnd) => children.addHelper(pid, onEnd),
    ...config.user !== null && { start: (stdio) => startAsUser(target, request, stdio) },
  });
}

/** Starts the command as a server is started (--user). */
function startAsUser(
  target: ExecTarget,
  { command, occasion }: ExecRequest,
  stdio: readonly [Fd, Fd, Fd],
): number {
  const { config, platform } = target.context;
  const directory = config.cwd ?? "/";
  const context = {
    config,
    env: {},
    directory,
    pid: platform.runtime.pid,
    trap: [],
    fileLimit: null,
  };
  const plan = shellPlan(context, command, commandEnvironment(target, occasion));
  return startLauncher(platform, {
    plan,
    stdio,
    members: [],
    onPrepared: () => {},
    onFailed: (_, message) => target.context.logError(`--${occasion}: ${message}`),
  }).pid;
}

/** The command's environment has no BATON_EPOCH, which marks the processes of a generation (children.ts). */
function commandEnvironment(
  { context, epoch, number, pid }: ExecTarget,
  occasion: ExecRequest["occasion"],
) {
  const { config, platform } = context;
  const given = platform.runtime.env();
  const env = serverEnvironment(
    { ...withoutOptions(given), ...accountEnvironment(config) },
    [],
    epoch,
  );
  delete env["BATON_EPOCH"];
  delete env["BATON_WORKER"];
  env["BATON_NAME"] = config.name;
  // A drain call is about the one that is to end, as for hooks.
  const isCheck = occasion === "ready" || occasion === "live";
  const subject = isCheck ? "BATON_CHECK" : "BATON_OLD";
  env[isCheck ? "BATON_CHECK" : "BATON_HOOK"] = occasion;
  env[`${subject}_EPOCH`] = String(epoch);
  env[`${subject}_WORKER`] = String(number);
  env[`${subject}_PID`] = String(pid ?? "");
  const dialed = context.listeners.dialed?.(epoch, number) ?? null;
  if (dialed !== null) env[`${subject}_ADDRESS`] = dialed;
  if (!isCheck) env["BATON_REASON"] = occasion;
  env["PWD"] = config.cwd ?? "/";
  return withoutStale(env, given);
}
