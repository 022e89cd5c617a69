/**
 * Variables that are meant for the server's runtime, but would also change baton's own when the user has started that
 * (`deno run`, `bun FILE`): baton executes itself again without them, and passes them on in a variable of its own that
 * no runtime heeds. The shipped binary heeds none (scripts/binary/own_environment.ts), but takes over from a baton that does.
 */
import { commandLineOf } from "./proc.ts";
import type { Platform } from "../platform.ts";
import type { Runtime } from "../runtime/runtime.ts";

type Environment = Readonly<Record<string, string>>;

/** The variable that holds them as JSON. */
export const HIDDEN_ENV = "BATON_HIDDEN_ENV";

/** @returns `env` for another baton, with the variables hidden that its runtime would heed */
export function hide(runtime: Pick<Runtime, "heeds">, env: Environment): Record<string, string> {
  const { heeds } = runtime;
  if (heeds === null) return { ...env };
  const isHeeded = ([name]: [string, string]) => heeds.test(name) ? "heeded" : "rest";
  const { heeded, rest = [] } = Object.groupBy(Object.entries(env), isHeeded);
  if (heeded !== undefined) rest.push([HIDDEN_ENV, JSON.stringify(Object.fromEntries(heeded))]);
  return Object.fromEntries(rest);
}

/** @returns what `hide()` was given */
export function unhide(env: Environment): Record<string, string> {
  const { [HIDDEN_ENV]: hidden, ...rest } = env;
  if (hidden === undefined) return rest;
  try {
    return { ...rest, ...JSON.parse(hidden) };
  } catch {
    return rest; // Not from a baton.
  }
}

/** @returns the environment of a helper, which needs no variable; a server's own is in the launch plan */
export function helperEnvironment({ heeds, env }: Pick<Runtime, "heeds" | "env">): Environment {
  const kept = ([name]: [string, string]) =>
    name === "DENO_DIR" || !(/^(BUN|DENO|NODE)_/.test(name) || heeds?.test(name));
  return Object.fromEntries(Object.entries(env()).filter(kept));
}

/**
 * Executes this very command line again if this process was started with such a variable: that frees a port that the
 * inspector has taken, and unloads what a variable has loaded. Call it before anything else.
 *
 * @throws {SystemCallError} when it cannot
 */
export function startClean({ runtime, processes }: Platform): void {
  const { heeds } = runtime;
  if (heeds === null || !Object.keys(runtime.environ()).some((name) => heeds.test(name))) return;
  processes.exec(runtime.selfCommand[0]!, commandLineOf("self"), hide(runtime, runtime.env()));
}
