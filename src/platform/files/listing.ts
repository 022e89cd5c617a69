/** What is in a folder. Empty when that cannot be read. */
import { type Dirent, readdirSync } from "node:fs";

/** @returns names of regular files, or of folders */
export function namesIn(folder: string, kind: "files" | "folders"): string[] {
  let entries: Dirent[];
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
  return entries.filter((entry) => kind === "files" ? entry.isFile() : entry.isDirectory())
    .map(({ name }) => name);
}
