import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Place } from "../contestant.ts";

/** The file that programs read when they start, and VERSION_FILE names. */
export function versionFile(dir: string): string {
  return join(dir, "version");
}

export function deployFile(place: Place, version: string): void {
  replaceFile(versionFile(place.dir), `${version}\n`);
}

/** By rename: a start at that moment sees the old or the new one. */
export function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}
