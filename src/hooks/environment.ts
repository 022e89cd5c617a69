/** What a user's command finds in its environment in addition to that of the server (docs/hooks.md). Pure. */

export const PRE_FLIGHT = "pre-flight";

export interface HookGeneration {
  readonly epoch: number;
  /** Id of the leading process; null before its start and after its exit. */
  readonly pid: number | null;
  /** Its private address; missing or null: it is not behind a front. */
  readonly address?: string | null;
}

export interface HookCircumstances {
  readonly name: string;
  /** The new generation, or the only one. */
  readonly current: HookGeneration | null;
  /** The generation that is, or was to be, replaced. */
  readonly old: HookGeneration | null;
  /** One line: what led here. */
  readonly reason: string;
  /** How many workers a generation has. */
  readonly workers: number;
}

/** @returns `base` with the variables of `hook`, and without those that an outer baton has set */
export function hookEnvironment(
  base: Readonly<Record<string, string>>,
  hook: string,
  { name, current, old, reason, workers }: HookCircumstances,
): Record<string, string> {
  const env: Record<string, string> = { ...base };
  // A variable without a value is absent, not empty.
  const values = {
    BATON_EPOCH: current?.epoch,
    BATON_PID: current?.pid,
    BATON_OLD_EPOCH: old?.epoch,
    BATON_OLD_PID: old?.pid,
    BATON_ADDRESS: current?.address,
    BATON_OLD_ADDRESS: old?.address,
    BATON_WORKER: null,
    RESTART_EPOCH: null,
  };
  for (const [variable, value] of Object.entries(values)) {
    delete env[variable];
    if (value !== null && value !== undefined) env[variable] = String(value);
  }
  const always = { BATON_HOOK: hook, BATON_NAME: name, BATON_REASON: reason };
  return { ...env, ...always, BATON_WORKERS: String(workers) };
}
