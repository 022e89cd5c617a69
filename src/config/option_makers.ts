/** Short forms for the entries of the option tables. */
import { MAX_DURATION_MS } from "./values/duration.ts";
import type { Group } from "./option_types.ts";

type TimeBounds = readonly [def: number | null, min: number];

export function time(flag: string, group: Group, ms: TimeBounds, help: string) {
  const bounds = { default: ms[0], minMs: ms[1], maxMs: MAX_DURATION_MS };
  return { type: "duration", flag, group, placeholder: "TIME", ...bounds, help } as const;
}

export function int(
  flag: string,
  group: Group,
  n: readonly [number, number, number],
  help: string,
) {
  const bounds = { default: n[0], min: n[1], max: n[2] };
  return { type: "int", flag, group, placeholder: "N", ...bounds, help } as const;
}

/** The first of `values` is the default. */
export function choice<T extends string>(
  flag: string,
  group: Group,
  values: readonly T[],
  help: string,
) {
  const placeholder = values.join("|");
  return { type: "enum", flag, group, placeholder, default: values[0] as T, values, help } as const;
}

/** For a value that only the kernel reads, which may be any bytes. */
export function path(flag: string, group: Group, placeholder: string, help: string) {
  return { ...text(flag, group, placeholder, help), bytes: true } as const;
}

export function text(flag: string, group: Group, placeholder: string, help: string) {
  return { type: "string", flag, group, placeholder, default: null, help } as const;
}
