/** Parts of all, as users write them: `10%`, `2.5`. Pure. */
import { UserError } from "./errors.ts";

const ALL = 100;

/** @returns 0 to 100 @throws {UserError} for anything else, and for more than two decimals */
export function parsePercent(text: string): number {
  const digits = /^(\d{1,3}(?:\.\d{1,2})?) ?%?$/.exec(text.trim())?.[1];
  const percent = Number(digits ?? NaN);
  if (percent <= ALL) return percent;
  throw new UserError(
    `Cannot use ${JSON.stringify(text)}: it must be a part of all, from 0% to 100%`,
    { remedy: "Write, for example, 10% or 2.5%" },
  );
}
