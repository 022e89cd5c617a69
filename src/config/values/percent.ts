/** Percentages, as users write them: `10%`, `2.5`. Pure. */
import { UserError } from "./errors.ts";

const MAX_PERCENT = 100;

/** @returns 0 to 100 @throws {UserError} for anything else, including more than two decimals */
export function parsePercent(text: string): number {
  const digits = /^(\d{1,3}(?:\.\d{1,2})?) ?%?$/.exec(text.trim())?.[1];
  const percent = Number(digits ?? NaN);
  if (percent <= MAX_PERCENT) return percent;
  throw new UserError(
    `Cannot use ${JSON.stringify(text)}: it must be a percentage from 0% to 100%`,
    { remedy: "Write, for example, 10% or 2.5%" },
  );
}
