/** What is below a directory, found in bounded steps. Never follows a link, and skips what may not be read. */
import { lstatSync, type Stats } from "node:fs";
import { namesIn } from "../platform/process/proc.ts";

interface Entry {
  readonly path: string;
  readonly stat: Stats;
}

/** @param depth of directories that are entered @param most entries */
export function filesBelow(root: string, depth: number, most = 20_000): Entry[] {
  const found: Entry[] = [];
  let level = [root];
  for (let i = 0; i < depth && level.length > 0 && found.length < most; i++) {
    const entries = level.flatMap(entriesOf).slice(0, most - found.length);
    found.push(...entries);
    level = entries.filter(({ stat }) => stat.isDirectory()).map(({ path }) => path);
  }
  return found;
}

function entriesOf(directory: string): Entry[] {
  return namesIn(directory).flatMap((name) => {
    const path = directory === "/" ? `/${name}` : `${directory}/${name}`;
    try {
      return [{ path, stat: lstatSync(path) }];
    } catch {
      return []; // Gone meanwhile, or its name is not UTF-8.
    }
  });
}
