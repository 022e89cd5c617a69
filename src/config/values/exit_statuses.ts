/** Lists of exit statuses: `1,10`. Pure. */
import { UserError } from "./errors.ts";

const LARGEST = 255;

/** @throws {UserError} for what no process can exit with */
export function parseExitStatuses(texts: readonly string[]): readonly number[] {
  return texts.flatMap((text) => text.split(",")).map((text) => {
    const status = /^\d{1,3}$/.test(text.trim()) ? Number(text) : NaN;
    if (status <= LARGEST) return status;
    throw new UserError(`Cannot use "${text}": it must be an exit status from 0 to ${LARGEST}`);
  });
}
