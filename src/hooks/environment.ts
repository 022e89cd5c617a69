/** What a user's command finds in its environment in addition to that of the server (docs/hooks.md). Pure. */

export const PRE_FLIGHT = "pre-flight";

export interface HookGeneration {
  readonly epoch: number;
  /** Leading process; null before its start and after its exit. */
  readonly pid: number | null;
}

export interface HookCircumstances {
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

/** @returns `base` with the variables of `hook`, and without those that an outer baton has set */
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
