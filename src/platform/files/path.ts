/** Paths, and what is there as far as this user may see. */
import { type Stats, statSync } from "node:fs";
import { isText, printable } from "../bytes.ts";

/** stat(2); null when there is nothing at `path`, or nothing that we may look at. */
export function statOf(path: string, at: AtPath = atTextPath): Stats | null {
  try {
    return at(path, (name) => statSync(name));
  } catch {
    return null;
  }
}

/** Whether there is something at `path`, as far as we may look. Follows links. */
export function exists(path: string): boolean {
  return statOf(path) !== null;
}

/** Runs `look` with a name for the file at `path` that `node:fs` accepts. */
export type AtPath = <T>(path: string, look: (name: string) => T) => T;

/** An `AtPath` without descriptors. @throws {TypeError} for a path that is not UTF-8 */
export const atTextPath: AtPath = (path, look) => {
  if (isText(path)) return look(path);
  throw new TypeError(`Cannot look at ${printable(path)} here: it is not UTF-8`);
};

/** As `resolve` of `node:path`, which on Bun changes what is not UTF-8. @param base an absolute path */
export function resolvePath(base: string, path: string): string {
  const parts: string[] = [];
  for (const part of (path.startsWith("/") ? path : `${base}/${path}`).split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}
