/** What a command of the user's finds in its environment beside that of the server (docs/hooks.md). Pure. */

export const PRE_FLIGHT = "pre-flight";

/** A generation, as a command is told of it. */
export interface HookGeneration {
  readonly epoch: number;
  /** Leading process; null: it has none yet, or any more. */
  readonly pid: number | null;
}

export interface HookCircumstances {
  /** Name of the service. */
  readonly name: string;
  /** The new generation, or the only one. */
  readonly current: HookGeneration | null;
  /** The one that is, or was to be, replaced. */
  readonly old: HookGeneration | null;
  /** One line: what led here. */
  readonly reason: string;
}

/** Variables that name a generation: absent, not empty, when there is none. */
const NAMES = ["BATON_EPOCH", "BATON_PID", "BATON_OLD_EPOCH", "BATON_OLD_PID", "RESTART_EPOCH"];

/** @returns `base` with what `hook` is told; nothing that a baton above has said is left in it */
export function hookEnvironment(
  base: Readonly<Record<string, string>>,
  hook: string,
  { name, current, old, reason }: HookCircumstances,
): Record<string, string> {
  const env: Record<string, string> = { ...base };
  for (const variable of NAMES) delete env[variable];
  const set = (variable: string, value: number | null | undefined) => {
    if (value !== null && value !== undefined) env[variable] = String(value);
  };
  set("BATON_EPOCH", current?.epoch);
  set("BATON_PID", current?.pid);
  set("BATON_OLD_EPOCH", old?.epoch);
  set("BATON_OLD_PID", old?.pid);
  return { ...env, BATON_HOOK: hook, BATON_NAME: name, BATON_REASON: reason };
}
