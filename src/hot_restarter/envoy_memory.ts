/** Looks into the shared memory that a child has with the Envoys before it, and clears the mark that a failed one has left. */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { type Mark, markIn, MEMORY_SIZE, memoryIn } from "../envoy/shared_memory.ts";
import { errorText } from "../platform/error.ts";
import {
  commandLineOf,
  isRunning,
  namesIn,
  processTree,
  readText,
} from "../platform/process/proc.ts";

const WORKER = "wrk:worker_";
const DISABLED: Seen = {
  kind: "apart",
  why: "it runs with --disable-hot-restart, and cannot take over from another Envoy",
};

/** What can be seen of a child in that memory. */
export type Seen =
  /** The child has no such memory yet, or is no Envoy. */
  | { readonly kind: "none" }
  | { readonly kind: "starting" }
  /** Its workers run, and its parent drains. */
  | { readonly kind: "live" }
  /** The mark is not set, but no worker runs: it is about to set it. */
  | { readonly kind: "quiet" }
  /** It does not know the Envoy before it, and will not. */
  | { readonly kind: "apart"; readonly why: string }
  | { readonly kind: "unseen"; readonly why: string };

/**
 * @param pid of the child, or of a script that has Envoy as a child
 * @param before of the one that it is to take over from
 */
export function look(pid: number, before: number | null): Seen {
  const found = fileOf(pid);
  if (found === null) return processTree(pid).some(isDisabled) ? DISABLED : { kind: "none" };
  if ("why" in found) return { kind: "unseen", why: found.why };
  const other = before === null ? null : fileOf(before);
  if (other !== null && "path" in other && other.path !== found.path) {
    const why = `it has ${found.path}, and the Envoy before it has ${other.path}: ` +
      "the --base-id is another one, or a dynamic one";
    return { kind: "apart", why };
  }
  try {
    const mark = readMark(found.file, "r");
    if ("unknown" in mark) return { kind: "unseen", why: unknownText(found.path, mark.unknown) };
    if (mark.isSet) return { kind: "starting" };
    return { kind: hasWorkers(found.pid) ? "live" : "quiet" };
  } catch (error) {
    return { kind: "unseen", why: errorText(error) };
  }
}

/** @returns the Envoy itself, where `pid` is a script that has it as a child; null: it has none that can be seen */
export function envoyOf(pid: number): number | null {
  const found = fileOf(pid);
  return found === null || "why" in found ? null : found.pid;
}

/** @returns whether there was one, or why that is unknown */
export function clearMark(pid: number): { readonly wasSet: boolean } | { readonly why: string } {
  const found = fileOf(pid);
  if (found === null) return { why: `process ${pid} has no memory of Envoy's hot restart` };
  if ("why" in found) return found;
  try {
    const mark = readMark(found.file, "r+");
    return "unknown" in mark ? { why: unknownText(found.path, mark.unknown) } : mark;
  } catch (error) {
    return { why: errorText(error) };
  }
}

function isDisabled(pid: number): boolean {
  const words = commandLineOf(pid);
  // A script may validate the configuration first.
  return words.includes("--disable-hot-restart") && !words.includes("validate");
}

/** Threads that Envoy starts when all else is ready; then the mark goes. */
function hasWorkers(pid: number): boolean {
  return namesIn(`/proc/${pid}/task`).some((tid) =>
    readText(`/proc/${pid}/task/${tid}/comm`)?.startsWith(WORKER) ?? false
  );
}

function unknownText(path: string, version: string): string {
  return `${path} has version ${version}, and baton knows 11.104 and 11.120`;
}

function readMark(
  file: string,
  access: "r" | "r+",
): Mark & { wasSet: boolean } | { readonly unknown: string } {
  const fd = openSync(file, access);
  try {
    const bytes = new Uint8Array(MEMORY_SIZE);
    const length = readSync(fd, bytes, 0, bytes.length, 0);
    const mark = markIn(bytes.subarray(0, length));
    if ("unknown" in mark) return mark;
    if (access === "r+" && mark.isSet) writeSync(fd, mark.cleared, 0, mark.cleared.length, mark.at);
    return { ...mark, wasSet: mark.isSet };
  } finally {
    closeSync(fd);
  }
}

/** By the eyes of the process, which may have a /dev/shm of its own. */
function fileOf(
  pid: number,
): { pid: number; file: string; path: string } | { why: string } | null {
  for (const each of processTree(pid)) {
    const maps = readText(`/proc/${each}/maps`);
    if (maps === null) {
      if (!isRunning(each)) continue;
      return { why: `process ${each} may not be looked into: run baton as root, or as its user` };
    }
    const memory = memoryIn(maps);
    if (memory === null) continue;
    if (memory.isGone) return { why: `${memory.path} of process ${each} was removed` };
    return { pid: each, file: `/proc/${each}/root${memory.path}`, path: memory.path };
  }
  return null;
}
