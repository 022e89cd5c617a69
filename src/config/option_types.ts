/** The types of the options of `baton run`, and the groups in which help and documentation show them. */
import type { SignalName } from "./values/signals.ts";
import type { ReadySpec, RepeatedCheck } from "./values/check_spec.ts";
import type { HookSpec } from "./values/hook_spec.ts";
import type { ListenSpec } from "./values/listen_spec.ts";

export const SERVICE = "Service";
export const LISTENERS = "Listeners and handoff";
export const READINESS = "Readiness";
export const HEALTH = "Health checks";
export const ROLLOUT = "Admission of a new generation";
export const HOOKS = "Pre-flight and hooks";
export const DRAIN = "Drain and stop";
export const CRASHES = "Crashes";
export const TAKEOVER = "Takeover from another baton";
export const POD = "Pods";
export const OUTPUT = "Signals and output";

/** Headings under which help and documentation show the options, in this order. */
export const OPTION_GROUPS = [
  SERVICE,
  LISTENERS,
  READINESS,
  HEALTH,
  HOOKS,
  ROLLOUT,
  DRAIN,
  POD,
  CRASHES,
  TAKEOVER,
  OUTPUT,
] as const;
export type Group = typeof OPTION_GROUPS[number];

/** The properties that all options share. */
interface OptionText {
  /** Without the leading dashes. */
  readonly flag: string;
  readonly group: Group;
  /** Stands for the value in help: `TIME`, `FILE`; for enums, their values; null: the option has no value. */
  readonly placeholder: string | null;
  /** Accepts a value with bytes that are not UTF-8. */
  readonly bytes?: true;
  /** One or two sentences; help adds the default from `default`. */
  readonly help: string;
}

/** An option whose value is a duration (duration.ts); unit: milliseconds. */
export interface DurationOption extends OptionText {
  readonly type: "duration";
  /** Null: it depends on the environment, or there is none. */
  readonly default: number | null;
  readonly minMs: number;
  readonly maxMs: number;
}

/** An option whose value is a whole number. */
export interface IntOption extends OptionText {
  readonly type: "int";
  readonly default: number;
  readonly min: number;
  readonly max: number;
}

/** An option whose value is a percentage with at most two decimals; unset by default. */
interface PercentOption extends OptionText {
  readonly type: "percent";
  readonly default: null;
}

/** An option whose value is one of a few words. */
interface EnumOption<T extends string, Default extends T | null = T> extends OptionText {
  readonly type: "enum";
  /** Null: it depends on other options. */
  readonly default: Default;
  readonly values: readonly T[];
}

/** An option whose value is free text, within `pattern` if there is one; unset by default. */
export interface StringOption extends OptionText {
  readonly type: "string";
  readonly default: null;
  readonly pattern?: RegExp;
  /** `pattern` in words: completes "it must be ...". */
  readonly patternText?: string;
}

/** An option whose value is a signal (signals.ts); unset by default. */
interface SignalOption extends OptionText {
  readonly type: "signal";
  readonly default: null;
}

/** An option without a value; in a file true or false. */
interface FlagOption extends OptionText {
  readonly type: "flag";
  readonly placeholder: null;
  readonly default: false;
}

/** An option that may be given several times, each value a listener (listen_spec.ts). */
interface ListOption extends OptionText {
  readonly type: "list";
  readonly default: readonly ListenSpec[];
}

/** An option that may be given several times, each value a path. */
interface PathsOption extends OptionText {
  readonly type: "paths";
  readonly default: readonly string[];
}

/** An option that may be given several times, each value one or more signals (signals.ts). */
interface SignalsOption extends OptionText {
  readonly type: "signals";
  readonly default: readonly SignalName[];
}

/** An option that may be given several times, each value a condition of the gate (check_spec.ts). */
interface ChecksOption extends OptionText {
  readonly type: "checks";
  readonly default: readonly ReadySpec[];
}

/** An option that may be given several times, each value a check that can run any number of times. */
interface LiveChecksOption extends OptionText {
  readonly type: "live checks";
  readonly default: readonly RepeatedCheck[];
}

/** An option that may be given several times, each value a moment and a command (hook_spec.ts). */
interface HooksOption extends OptionText {
  readonly type: "hooks";
  readonly default: readonly HookSpec[];
}

/** An entry of the table. */
export type Option =
  | ChecksOption
  | LiveChecksOption
  | HooksOption
  | PathsOption
  | DurationOption
  | PercentOption
  | IntOption
  | EnumOption<string, string | null>
  | StringOption
  | SignalOption
  | SignalsOption
  | FlagOption
  | ListOption;

/** The kind of option for a field of type T. */
export type OptionFor<T> = [T] extends [boolean] ? FlagOption
  : [T] extends [number | null] ? DurationOption | PercentOption | IntOption
  : [T] extends [readonly SignalName[]] ? SignalsOption
  : [T] extends [readonly string[]] ? PathsOption
  : [T] extends [readonly ListenSpec[]] ? ListOption
  : [T] extends [readonly RepeatedCheck[]] ? LiveChecksOption
  : [T] extends [readonly ReadySpec[]] ? ChecksOption
  : [T] extends [readonly HookSpec[]] ? HooksOption
  : [string] extends [T] ? StringOption
  : [T] extends [SignalName | null] ? SignalOption
  : [T] extends [string] ? EnumOption<T>
  : [T] extends [string | null] ? EnumOption<Extract<T, string>, null>
  : never;
