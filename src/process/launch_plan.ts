/**
 * What one start of a server gets. Its basis is resolved at each start, so that a reload sees a symlink that was moved
 * or a file that was edited; or it comes from an earlier start (good_plan.ts).
 */
import type { Config } from "../config/config.ts";
import { fillPlaceholders } from "../config/values/placeholders.ts";
import { serverEnvironment } from "../handoff/socket_protocols.ts";
import { type HookCircumstances, hookEnvironment } from "../hooks/environment.ts";
import type { LaunchPlan } from "../launcher/plan.ts";
import { FIRST_PASSED_DESCRIPTOR } from "../platform/fd.ts";
import { withoutStale } from "../platform/process/environment.ts";
import { type AtPath, statOf } from "../platform/files/path.ts";
import * as proc from "../platform/process/proc.ts";
import { C } from "../platform/libc/constants.ts";
import { baseEnvironment } from "./base_environment.ts";
import { processSettings } from "./process_settings.ts";

const SHELL = "/bin/sh";

/** What stays the same from one start to the next. */
export interface PlanContext {
  readonly config: Config;
  readonly env: Readonly<Record<string, string>>;
  readonly directory: string;
  readonly pid: number;
  /** System calls to trap; empty without adopt. */
  readonly trap: LaunchPlan["trap"];
  readonly fileLimit: number | null;
  /** Opens an environment file whose path is not UTF-8. */
  readonly at?: AtPath;
}

/** What a plan is made from, beside the configuration. */
export interface PlanBasis {
  /** The command, before its placeholders are filled in. */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly directory: string;
  /** The program, as in the plan; null: it is found when it is started. */
  readonly program: LaunchPlan["program"];
}

/** @throws {UserError} when the environment file cannot be read */
export function basisFromFiles(context: PlanContext): PlanBasis {
  const { config: { command }, directory } = context;
  return { command, env: baseEnvironment(context), directory, program: null };
}

/** @throws {UserError} when the environment file cannot be read */
export function launchPlan(
  context: PlanContext,
  { epoch, worker }: { readonly epoch: number; readonly worker: number },
  notifyPath: string,
  basis = basisFromFiles(context),
): LaunchPlan {
  const { config } = context;
  const env = serverEnvironment(basis.env, config.listen, epoch, worker);
  if (config.restartEpoch === "0") env["RESTART_EPOCH"] = "0";
  env["NOTIFY_SOCKET"] = notifyPath;
  env["GODEBUG"] = withoutMultipath(env["GODEBUG"]);
  return {
    ...plainPlan(context, fillPlaceholders(basis.command, config.listen, epoch, worker), env),
    cwd: basis.directory,
    program: basis.program,
    members: config.listen.length,
    trap: context.trap,
    waits: config.survive,
    parentDeathSignal: config.orphan === "die" && !config.survive ? C.SIGTERM : 0,
  };
}

/** The plan of a server without handoff: its environment is baton's own, plus the mark of its processes. */
export function shutdownPlan(context: PlanContext): LaunchPlan {
  const env = { ...baseEnvironment(context), BATON_EPOCH: "0" };
  return {
    ...plainPlan(context, fillPlaceholders(context.config.command, [], 0), env),
    parentDeathSignal: context.config.orphan === "die" ? C.SIGTERM : 0,
  };
}

/**
 * The plan of a user's command, in the directory and environment that the next generation would get, without the
 * variables that name descriptors: it has none. It exits with baton.
 */
export function commandPlan(
  context: PlanContext,
  hook: string,
  command: string,
  circumstances: HookCircumstances,
): LaunchPlan {
  const base = serverEnvironment(baseEnvironment(context), [], 0);
  return shellPlan(context, command, hookEnvironment(base, hook, circumstances));
}

/** The plan of a shell command that exits with baton. */
export function shellPlan(
  context: PlanContext,
  command: string,
  env: Readonly<Record<string, string>>,
): LaunchPlan {
  return { ...plainPlan(context, [SHELL, "-c", command], env), parentDeathSignal: C.SIGKILL };
}

/** A plan without handoff, and without a bond to baton's life. */
function plainPlan(
  context: PlanContext,
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
): LaunchPlan {
  return {
    argv,
    program: null,
    env: withoutStale(env, context.env),
    cwd: context.directory,
    members: 0,
    trap: [],
    spared: [],
    waits: false,
    parentDeathSignal: 0,
    parentPid: context.pid,
    fileLimit: context.fileLimit,
    ...processSettings(context.config),
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

/** @returns a hint if arguments name a descriptor that the server does not get: `server --config <(generate)` */
export function lostDescriptors(
  { argv, members, readyDescriptor }: Pick<LaunchPlan, "argv" | "members" | "readyDescriptor">,
): string[] {
  const isLost = (descriptor: number) =>
    descriptor >= FIRST_PASSED_DESCRIPTOR + members && descriptor !== readyDescriptor;
  const named = argv.flatMap((word) => [...word.matchAll(/\/(?:dev|proc\/self)\/fd\/(\d+)\b/g)]);
  const lost = named.filter(([, digits]) => isLost(Number(digits))).map(([path]) => path);
  if (lost.length === 0) return [];
  const paths = [...new Set(lost)].join(", ");
  return [
    `it does not get ${paths}: write a file in place of <(...), or put the command into bash -c`,
  ];
}

/**
 * The working directory as the user named it: `$PWD` keeps symlinks that getcwd(2) resolves, so a reload follows a
 * moved `current`.
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
 * limit before any code of baton runs; the parent still shows the original, if its hard limit is the same.
 */
export function originalFileLimit(parent: number, own: readonly [number, number]): number | null {
  const limit = proc.fileLimitOf(parent);
  if (limit === null || limit[1] !== own[1] || limit[0] >= own[0]) return null;
  return limit[0];
}
