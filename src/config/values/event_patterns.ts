/** Lists of names of events, or of beginnings of names: `reload.*,generation.crashed`. Pure. */
import { UserError } from "./errors.ts";

const PATTERN = /^(?:\*|[a-z]+(?:\.[a-z_]*)?\*?)$/;

/** @throws {UserError} when one cannot be the name of an event */
export function parseEventPatterns(text: string): string[] {
  const patterns = text.split(",").map((each) => each.trim());
  const bad = patterns.find((each) => !PATTERN.test(each));
  if (bad === undefined) return patterns;
  throw new UserError(`Cannot use "${bad}": it cannot be the name of an event`, {
    remedy: "Write names with commas between them, for example: reload.*,generation.crashed",
  });
}
