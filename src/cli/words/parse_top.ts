/** `baton top`: words -> command. Pure. */
import { UserError } from "../../config/values/errors.ts";
import { durationOf, type Target, targetOf, type Words } from "./words.ts";

/** Looks are shared among readers, and no newer than this (report/look_pace.ts). */
const LEAST_INTERVAL_MS = 500;
const DEFAULT_INTERVAL_MS = 1_000;
const COUNT = /^[1-9]\d{0,8}$/;

export interface TopCommand extends Target {
  readonly verb: "top";
  readonly intervalMs: number;
  /** Number of looks; null: until it is ended. */
  readonly count: number | null;
  readonly json: boolean;
}

export function parseTop(words: Words): TopCommand {
  const count = words.flags.get("count")?.[0];
  if (count !== undefined && !COUNT.test(count)) {
    throw new UserError(`In --count: Cannot use "${count}": it must be a number from 1 on`, {
      remedy: "For example: baton top --count 1",
    });
  }
  return {
    verb: "top",
    ...targetOf(words),
    intervalMs: durationOf(words, "interval", LEAST_INTERVAL_MS) ?? DEFAULT_INTERVAL_MS,
    count: count === undefined ? null : Number(count),
    json: words.flags.has("json"),
  };
}
