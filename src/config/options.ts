/**
 * The single table of options of `baton run`: fields and types of `Config`, flags, keys of the configuration file, help
 * text and documentation all follow from it. The flag is `--ready-timeout`, its key `ready_timeout`, its field
 * `readyTimeoutMs`. validate.ts has the rules across options.
 */
import type { OptionValue } from "./option_makers.ts";
import { ADMIN } from "./tables/admin_options.ts";
import { HEALTH, READINESS } from "./tables/check_options.ts";
import { LISTENERS, TAKEOVER } from "./tables/listener_options.ts";
import { OUTPUT } from "./tables/output_options.ts";
import { METRICS } from "./tables/metrics_options.ts";
import { ADMISSION, HOOKS } from "./tables/release_options.ts";
import { SERVICE, WORKERS } from "./tables/service_options.ts";
import { CRASHES, PODS, STOP } from "./tables/stop_options.ts";
import { formatDuration } from "./values/duration.ts";

/** What the place in the table says. */
interface OptionNames {
  /** Of `Config`. */
  readonly field: string;
  /** Without the leading dashes. */
  readonly flag: string;
  /** Heading in help and documentation. */
  readonly group: string;
}

export type Option = OptionValue<unknown> & OptionNames;

/** Gives each entry its field, its flag and the heading of its group. */
function group<T extends Readonly<Record<string, OptionValue<unknown>>>>(
  heading: string,
  values: T,
) {
  const named = Object.entries(values).map(([field, value]) => {
    const words = field.replace(/Ms$/, "").replace(/[A-Z]/g, (letter) => `-${letter}`);
    return [field, { ...value, field, flag: words.toLowerCase(), group: heading }];
  });
  return Object.fromEntries(named) as { readonly [F in keyof T]: T[F] & OptionNames };
}

/** In the order of the documentation. */
export const OPTION_BY_FIELD = {
  ...group("Service", SERVICE),
  ...group("Listeners and handoff", LISTENERS),
  ...group("Workers", WORKERS),
  ...group("Readiness", READINESS),
  ...group("Health checks", HEALTH),
  ...group("Pre-flight and hooks", HOOKS),
  ...group("Admission of a new generation", ADMISSION),
  ...group("Drain and stop", STOP),
  ...group("Pods", PODS),
  ...group("Admin API", ADMIN),
  ...group("Metrics", METRICS),
  ...group("Crashes", CRASHES),
  ...group("Takeover from another baton", TAKEOVER),
  ...group("Signals and output", OUTPUT),
};

/** The value of each field: as it is read, or its default. */
export type OptionValues = {
  readonly [F in keyof typeof OPTION_BY_FIELD]:
    | ReturnType<(typeof OPTION_BY_FIELD)[F]["read"]>
    | (typeof OPTION_BY_FIELD)[F]["default"];
};

/** In the order of the documentation. */
export const OPTIONS: readonly Option[] = Object.values(OPTION_BY_FIELD);

/** In the order of the documentation. */
export const OPTION_GROUPS: readonly string[] = [...new Set(OPTIONS.map(({ group }) => group))];

/** @returns the default as a user would write it; null: help shows none */
export function defaultText({ default: value, placeholder }: Option): string | null {
  if (typeof value === "string") return value;
  if (typeof value !== "number") return null;
  return placeholder === "TIME" ? formatDuration(value) : String(value);
}

/** @returns the key of an option in a configuration file: `ready_timeout` for `ready-timeout` */
export function fileKey(flag: string): string {
  return flag.replaceAll("-", "_");
}
