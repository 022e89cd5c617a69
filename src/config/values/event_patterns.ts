/** Lists of names of events, or of beginnings of names: `reload.*,generation.crashed`. Pure. */
import { EVENTS, isWanted } from "../../events/event_table.ts";
import { UserError } from "./errors.ts";
import { suggest } from "./suggest.ts";

const PATTERN = /^(?:\*|[a-z]+(?:\.[a-z_]*)?\*?)$/;

/** @throws {UserError} when one is the name of no event: nothing would ever come of it */
export function parseEventPatterns(text: string): string[] {
  const patterns = text.split(",").map((each) => each.trim());
  const bad = patterns.find((each) => !PATTERN.test(each));
  if (bad !== undefined) throw refusal(bad, "it cannot be the name of an event");
  const names = Object.keys(EVENTS);
  const known = names.map((event) => ({ event, level: "" }));
  const unknown = patterns.find((each) => !known.some((event) => isWanted(event, [each])));
  if (unknown === undefined) return patterns;
  const near = suggest(unknown, names);
  const question = near === null ? "" : `: did you mean "${near}"?`;
  throw refusal(unknown, `there is no such event${question}`);
}

function refusal(pattern: string, why: string): UserError {
  return new UserError(`Cannot use "${pattern}": ${why}`, {
    remedy: "Write names with commas between them, for example: reload.*,generation.crashed",
  });
}
