/** What follows from a configuration that was read again while the service runs. Pure. */
import type { Config } from "./config.ts";
import { COMMAND_KEY } from "./file_values.ts";
import type { ConfigOrigin, LoadedConfig } from "./load.ts";
import { fileKey, OPTIONS } from "./options.ts";
import type { ReloadTime } from "./option_makers.ts";
import { validateConfig } from "./validate.ts";

export interface ConfigChange {
  /** The key as in a file. */
  readonly key: string;
  /** The values as they were given; null: not at all. */
  readonly from: unknown;
  readonly to: unknown;
  readonly reload: ReloadTime;
  /** Why the new value counts from a restart on; null: it counts before. */
  readonly why: string | null;
}

interface Reconciled {
  /** What counts from now on. */
  readonly loaded: LoadedConfig;
  readonly applied: readonly ConfigChange[];
  /** Changes that count from the next start or upgrade of baton on. */
  readonly postponed: readonly ConfigChange[];
}

/** Fields of `Config` whose new value counts at the given time. */
export function fieldsAt(time: ReloadTime): readonly (keyof Config)[] {
  return OPTIONS.filter(({ reload }) => reload === time).map(({ field }) => field as keyof Config);
}

/** @returns `config` with the values that `other` has in these fields */
export function withFields(
  config: Config,
  other: Config,
  fields: readonly (keyof Config)[],
): Config {
  return { ...config, ...Object.fromEntries(fields.map((field) => [field, other[field]])) };
}

/** @throws {UserError} when what would count contradicts itself */
export function reconcile(before: LoadedConfig, found: LoadedConfig): Reconciled {
  const changes = [
    commandChange(before, found),
    ...OPTIONS.map(({ field, flag, reload, whyRestart, shown }) => {
      const [was, is] = [before, found].map(({ origins }) => origins.get(field));
      const isUnchanged = isSame(
        before.config[field as keyof Config],
        found.config[field as keyof Config],
      );
      // A default that follows from another command is no wish of the user's.
      const isDerived = was?.kind === "default" && is?.kind === "default" && reload === "restart";
      if (isUnchanged || isDerived) return null;
      const why = reload === "restart" ? whyRestart ?? null : null;
      return { key: fileKey(flag), from: rawOf(was, shown), to: rawOf(is, shown), reload, why };
    }),
  ].filter((change) => change !== null);
  const settled = fieldsAt("restart");
  const config = withFields(found.config, before.config, settled);
  validateConfig(config);
  const kept = [...before.origins].filter(([field]) => settled.some((each) => each === field));
  const origins = new Map([...found.origins, ...kept]);
  return {
    loaded: { ...found, config, origins },
    applied: changes.filter(({ reload }) => reload !== "restart"),
    postponed: changes.filter(({ reload }) => reload === "restart"),
  };
}

function commandChange(before: LoadedConfig, found: LoadedConfig): ConfigChange | null {
  const [from, to] = [before.config.command, found.config.command];
  if (isSame(from, to)) return null;
  return { key: COMMAND_KEY, from, to, reload: "next generation", why: null };
}

/**
 * Whether two values of `Config` are the same: texts, numbers, patterns, bytes, and lists and records of them.
 * `isDeepStrictEqual` of node:util knows more kinds, and Bun keeps what it is made of in memory.
 */
function isSame(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) {
    return false;
  }
  if (one instanceof RegExp || other instanceof RegExp) return String(one) === String(other);
  const [entries, others] = [Object.entries(one), Object.entries(other)];
  return Array.isArray(one) === Array.isArray(other) && entries.length === others.length &&
    entries.every(([key, value]) =>
      Object.hasOwn(other, key) && isSame(value, (other as Record<string, unknown>)[key])
    );
}

function rawOf(
  origin: ConfigOrigin | undefined,
  shown: (raw: unknown) => unknown = (raw) => raw,
): unknown {
  const raw = origin?.raw ?? null;
  return raw === null ? null : shown(raw);
}

/** @returns `drain_time: "90s" instead of "1m"` */
export function describeChange({ key, from, to }: ConfigChange): string {
  const text = (value: unknown) => value === null ? "none" : JSON.stringify(value);
  return `${key}: ${text(to)} instead of ${text(from)}`;
}

/** Keys by which another baton finds the one that it is to follow. */
const ADDRESS_KEYS: readonly string[] = ["name", "runtime_dir"];

/** @returns `not yet, because baton binds ...: listen: "..." instead of ...; "baton upgrade" applies it` */
export function describePostponed(change: ConfigChange): string {
  const how = ADDRESS_KEYS.includes(change.key) ? "a new start" : '"baton upgrade"';
  return `not yet, because ${change.why}: ${describeChange(change)}; ${how} applies it`;
}
