/** What there is at a path, as far as this user may see. */
import { statSync } from "node:fs";
import type { Stats } from "node:fs";

/** stat(2); null when there is nothing at `path`, or nothing that we may look at. */
export function statOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

/** Links are followed. */
export function exists(path: string): boolean {
  return statOf(path) !== null;
}
