/**
 * The single table of options of `baton run`: fields and types of `Config`, flags, keys of the configuration file, help
 * text and documentation all follow from it. The flag is `--ready-timeout`, its key `ready_timeout`, its field
 * `readyTimeoutMs`. validate.ts has the rules across options.
 */
import type { OptionValue, ReloadTime } from "./option_makers.ts";
import { ADMIN } from "./tables/admin_options.ts";
import { EVENTS } from "./tables/event_options.ts";
import { HEALTH, READINESS } from "./tables/check_options.ts";
import { LISTENERS, TAKEOVER } from "./tables/listener_options.ts";
import { OUTPUT } from "./tables/output_options.ts";
import { METRICS } from "./tables/metrics_options.ts";
import { ADMISSION, HOOKS } from "./tables/release_options.ts";
import { PROCESS } from "./tables/process_options.ts";
import { SERVICE, WORKERS } from "./tables/service_options.ts";
import { CRASHES, PODS, STOP } from "./tables/stop_options.ts";
import { formatDuration } from "./values/duration.ts";

/** What follows from an option's place in the table. */
interface OptionNames {
  /** Its field in `Config`. */
  readonly field: string;
  /** Its flag, without the leading dashes. */
  readonly flag: string;
  /** Heading in help and documentation. */
  readonly group: string;
}

export interface Option extends OptionValue<unknown>, OptionNames {
  readonly reload: ReloadTime;
}

/** Gives each entry its field, its flag and the heading of its group. @param whyRestart for those that say nothing else */
function group<T extends Readonly<Record<string, OptionValue<unknown>>>>(
  heading: string,
  values: T,
  reload: ReloadTime = "restart",
  whyRestart = "it is settled when baton starts",
) {
  const named = Object.entries(values).map(([field, value]) => {
    const words = field.replace(/Ms$/, "").replace(/[A-Z]/g, (letter) => `-${letter}`);
    const names = { field, flag: words.toLowerCase(), group: heading };
    const isSettled = (value.reload ?? reload) === "restart";
    return [field, { reload, ...isSettled && { whyRestart }, ...value, ...names }];
  });
  return Object.fromEntries(named) as {
    readonly [F in keyof T]: T[F] & OptionNames & Pick<Option, "reload">;
  };
}

/** In the order of the documentation. */
export const OPTION_BY_FIELD = {
  ...group("Service", SERVICE),
  ...group("Process of the server", PROCESS, "next generation"),
  ...group(
    "Listeners and handoff",
    LISTENERS,
    "restart",
    "baton binds and steers from its start on",
  ),
  ...group("Workers", WORKERS),
  ...group("Readiness", READINESS, "next generation"),
  ...group("Health checks", HEALTH, "next generation"),
  ...group("Pre-flight and hooks", HOOKS, "at once"),
  ...group("Admission of a new generation", ADMISSION, "at once"),
  ...group("Drain and stop", STOP, "at once"),
  ...group("Pods", PODS),
  ...group("Admin API", ADMIN),
  ...group("Metrics", METRICS),
  ...group("Events", EVENTS),
  ...group("Crashes", CRASHES, "at once"),
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
export function defaultText(
  { default: value, placeholder }: Pick<Option, "default" | "placeholder">,
): string | null {
  if (typeof value === "string") return value;
  if (typeof value !== "number") return null;
  if (placeholder === "PERCENT") return `${value}%`;
  return placeholder === "TIME" ? formatDuration(value) : String(value);
}

/** @returns the same as a value of a file; null: none */
export function defaultRaw(option: Pick<Option, "default" | "placeholder">): unknown {
  const { default: value, placeholder } = option;
  if (typeof value === "number" && placeholder?.startsWith("N")) return value;
  return defaultText(option) ?? value;
}

/** @returns the key of an option in a configuration file: `ready_timeout` for `ready-timeout` */
export function fileKey(flag: string): string {
  return flag.replaceAll("-", "_");
}

/** @returns the variable of an option: `BATON_READY_TIMEOUT` for `ready-timeout` */
export function variableOf(flag: string): string {
  return `BATON_${fileKey(flag).toUpperCase()}`;
}
