/**
 * A key for a path that stays valid when the file is gone: for abstract sockets (unix(7)) that belong to a
 * runtime directory.
 *
 * All processes of a network namespace share the abstract namespace, for example all containers of a pod, or all with
 * the host's network. So the key includes the mount namespace and the root directory: equal keys mean the same path in
 * the same file system tree. The reverse does not hold.
 */
import { realpathSync, statSync } from "node:fs";
import { ownNamespace } from "../process/proc.ts";

const MASK_64 = (1n << 64n) - 1n;
const PRIME = 0x100000001b3n;
const SEEDS: readonly bigint[] = [0xcbf29ce484222325n, 0x6c62272e07bb0142n];

/** @returns 32 hexadecimal digits. The path, or the end of it, may be missing */
export function pathKey(path: string): string {
  return digest([mountsOf(), rootOf(), physicalPath(path)].join("\n"));
}

/** Resolves symbolic links in the part of the path that exists. */
export function physicalPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const at = path.lastIndexOf("/");
    if (at < 0 || path === "/") return path;
    const parent = physicalPath(path.slice(0, at) || "/");
    return `${parent === "/" ? "" : parent}${path.slice(at)}`;
  }
}

/** FNV-1a, twice. Pure. */
export function digest(text: string): string {
  const bytes = new TextEncoder().encode(text);
  return SEEDS.map((seed) => {
    let hash = seed;
    for (const byte of bytes) hash = ((hash ^ BigInt(byte)) * PRIME) & MASK_64;
    return hash.toString(16).padStart(16, "0");
  }).join("");
}

/** "" where /proc is not available. */
function mountsOf(): string {
  try {
    return ownNamespace("mnt");
  } catch {
    return "";
  }
}

function rootOf(): string {
  const { dev, ino } = statSync("/");
  return `${dev}:${ino}`;
}
