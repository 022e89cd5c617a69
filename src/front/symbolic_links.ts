/**
 * Where symbolic links lead: the endpoint file may be one. A link stays one, and what it leads to is replaced. An Envoy that
 * watches the directory of the link notices nothing of that, so the link is made again as well, which changes nothing else.
 */
import { lstatSync, readlinkSync, realpathSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { resolvePath } from "../platform/files/path.ts";

const MOST_LINKS = 16;

export interface Place {
  /** The file that is meant: no link; it need not exist. */
  readonly path: string;
  /** Links that lead to it. */
  readonly links: readonly string[];
}

/** @throws when links lead in a circle, or the directory is missing */
export function placeOf(path: string): Place {
  const links: string[] = [];
  for (let at = path; links.length <= MOST_LINKS;) {
    if (lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink() !== true) {
      return { path: at, links };
    }
    links.push(at);
    at = resolvePath(realpathSync(directoryOf(at)), readlinkSync(at));
  }
  throw new Error("its symbolic links lead in a circle");
}

/** @param aside a name in its directory that is free */
export function renewLink(link: string, aside: string): void {
  try {
    rmSync(aside, { force: true });
    symlinkSync(readlinkSync(link), aside);
    renameSync(aside, link);
  } catch {
    // Without the right to do that it is for an Envoy that reads the file itself. Whether one follows is asked.
    rmSync(aside, { force: true });
  }
}

/** A hidden name in its directory. */
export function beside(path: string, what: string | number): string {
  const directory = directoryOf(path);
  return `${directory}/.${path.slice(directory.length + 1)}.${what}`;
}

/** @param path absolute */
function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
