/**
 * What one generation is started with, resolved anew each time: working directory, environment,
 * command line. So a deploy that moves a symlink or edits a file is picked up by the next reload.
 */
import { readFileSync } from "node:fs";
import type { Config } from "../config/config.ts";
import { UserError } from "../config/values/errors.ts";
import { parseEnvFile } from "../config/env_file.ts";
import { fillPlaceholders, serverEnvironment } from "../handoff/socket_protocols.ts";
import { type HookCircumstances, hookEnvironment } from "../hooks/environment.ts";
import type { LaunchPlan } from "../launcher/plan.ts";
import { decodeBytes } from "../platform/bytes.ts";
import { withoutStale } from "../platform/process/environment.ts";
import { type AtPath, atTextPath, resolvePath, statOf } from "../platform/files/path.ts";
import * as proc from "../platform/process/proc.ts";
import { errorText } from "../platform/error.ts";
import { C } from "../platform/libc/constants.ts";

const SHELL = "/bin/sh";

/** What does not change between generations. */
export interface PlanContext {
  readonly config: Config;
  readonly env: Readonly<Record<string, string>>;
  readonly directory: string;
  readonly pid: number;
  /** System calls to trap; empty without adopt. */
  readonly trap: readonly number[];
  readonly fileLimit: number | null;
  /** For an environment file whose path is not UTF-8. */
  readonly at?: AtPath;
}

/**
 * @param notifyPath NOTIFY_SOCKET of this generation
 * @throws {UserError} when the environment file cannot be read
 */
export function launchPlan(context: PlanContext, epoch: number, notifyPath: string): LaunchPlan {
  const { config } = context;
  const base = { ...context.env, ...readEnvFile(context) };
  const env = serverEnvironment(base, config.listen, epoch);
  env["NOTIFY_SOCKET"] = notifyPath;
  env["PWD"] = context.directory;
  env["GODEBUG"] = withoutMultipath(env["GODEBUG"]);
  return {
    argv: fillPlaceholders(config.command, config.listen),
    env: withoutStale(env, context.env),
    cwd: context.directory,
    members: config.listen.length,
    setListenPid: config.listen.length > 0,
    trap: context.trap,
    waits: config.survive,
    parentDeathSignal: config.orphan === "die" && !config.survive ? C.SIGTERM : 0,
    parentPid: context.pid,
    fileLimit: context.fileLimit,
  };
}

/** The same without a handoff: the environment is baton's own, but for the mark of its processes. */
export function shutdownPlan(context: PlanContext): LaunchPlan {
  const { config, env, directory } = context;
  const own = { PWD: directory, BATON_EPOCH: "0" };
  return {
    argv: config.command,
    env: withoutStale({ ...env, ...readEnvFile(context), ...own }, env),
    cwd: directory,
    members: 0,
    setListenPid: false,
    trap: [],
    waits: false,
    parentDeathSignal: config.orphan === "die" ? C.SIGTERM : 0,
    parentPid: context.pid,
    fileLimit: context.fileLimit,
  };
}

/**
 * A command of the user's, in the directory and environment that the next generation would get, but for what names
 * descriptors: it has none. It ends with baton.
 * @throws {UserError} when the environment file cannot be read
 */
export function commandPlan(
  context: PlanContext,
  hook: string,
  command: string,
  circumstances: HookCircumstances,
): LaunchPlan {
  const { directory } = context;
  const base = { ...context.env, ...readEnvFile(context), PWD: directory };
  const env = hookEnvironment(serverEnvironment(base, [], 0), hook, circumstances);
  return {
    argv: [SHELL, "-c", command],
    env: withoutStale(env, context.env),
    cwd: directory,
    members: 0,
    setListenPid: false,
    trap: [],
    waits: false,
    parentDeathSignal: C.SIGKILL,
    parentPid: context.pid,
    fileLimit: context.fileLimit,
  };
}

/**
 * Go listens with MPTCP sockets by default, which cannot be steered: the program of a reuseport group
 * belongs to plain TCP listeners (net/mptcp/sockopt.c). Other servers ignore the variable.
 */
function withoutMultipath(godebug: string | undefined): string {
  if (godebug === undefined || godebug === "") return "multipathtcp=0";
  return godebug.includes("multipathtcp=") ? godebug : `${godebug},multipathtcp=0`;
}

/** Its values may be any bytes but NUL. */
function readEnvFile({ config, directory, at = atTextPath }: PlanContext): Record<string, string> {
  if (config.envFile === null) return {};
  const full = resolvePath(directory, config.envFile);
  let text: string;
  try {
    text = decodeBytes(at(full, (name) => readFileSync(name)));
  } catch (error) {
    const why = errorText(error);
    throw new UserError(`Cannot read --env-file ${full}: ${why}`);
  }
  return parseEnvFile(text, full);
}

/**
 * The directory as the user named it: `$PWD` keeps the symlinks that getcwd(2) resolves, so that a
 * deploy which moves `current` is followed by the next generation.
 */
export function logicalDirectory(
  env: Readonly<Record<string, string>>,
  physical: string,
  at?: AtPath,
): string {
  const named = env["PWD"];
  if (named === undefined || !named.startsWith("/")) return physical;
  const [a, b] = [named, physical].map((path) => statOf(path, at));
  return a && b && a.dev === b.dev && a.ino === b.ino ? named : physical;
}

/**
 * The soft limit on open files that baton was started with. Bun and Deno raise their own to the hard
 * limit before any of our code runs; the parent still shows what it was, if it has the same hard one.
 */
export function originalFileLimit(parent: number, own: readonly [number, number]): number | null {
  const limit = proc.fileLimitOf(parent);
  if (limit === null || limit[1] !== own[1] || limit[0] >= own[0]) return null;
  return limit[0];
}
