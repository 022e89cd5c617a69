/**
 * How much memory is free here, for the machine and for each cgroup above this process: proc_meminfo(5),
 * cgroup-v2.rst ("memory"), cgroup-v1/memory.rst. And how much some processes use: proc_pid_smaps(5).
 *
 * Memory of a cgroup's inactive files counts as free: the kernel takes it back before it kills a process.
 * Values that cannot be read are left out, never guessed.
 */
import { promises } from "node:fs";
import { readText } from "./process/proc.ts";

export interface MemoryReading {
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** Where it was read, for messages. */
  readonly source: string;
}

/** Reads a file; null when it does not exist or is not readable. */
export type ReadText = (path: string) => string | null;

const KIB = 1024;
const MEMINFO = "/proc/meminfo";
/** Source of the reading for the whole machine. */
export const OF_MACHINE = `MemAvailable in ${MEMINFO}`;

/** Readings for every limit that applies to this process. */
export function memoryReadings(read: ReadText = readText): MemoryReading[] {
  return [...machine(read), ...hierarchies(read).flatMap((place) => cgroups(read, place))];
}

function machine(read: ReadText): MemoryReading[] {
  const text = read(MEMINFO) ?? "";
  const [freeBytes, totalBytes] = [sizeIn(text, "MemAvailable"), sizeIn(text, "MemTotal")];
  if (freeBytes === null || !totalBytes) return [];
  return [{ freeBytes, totalBytes, source: OF_MACHINE }];
}

/** Where the limits of this process's cgroup are. */
interface Hierarchy {
  readonly version: 1 | 2;
  readonly mount: string;
  /** Path of the cgroup below the mount: "", or with a slash in front. */
  readonly path: string;
}

function hierarchies(read: ReadText, controller = "memory"): Hierarchy[] {
  const own = (read("/proc/self/cgroup") ?? "").split("\n").map((line) => line.split(":"));
  const mounts = (read("/proc/self/mountinfo") ?? "").split("\n").map(parseMount);
  return mounts.flatMap((mount): Hierarchy[] => {
    if (mount === null) return [];
    const { root, point, type, options } = mount;
    if (type !== "cgroup2" && !(type === "cgroup" && options.includes(controller))) return [];
    const version = type === "cgroup2" ? 2 : 1;
    const entry = own.find(([, controllers]) =>
      version === 2 ? controllers === "" : controllers?.split(",").includes(controller)
    );
    if (entry === undefined) return [];
    const path = entry.slice(2).join(":");
    // In a container the mount shows a part of the hierarchy: the paths begin there.
    const isBelow = root !== "/" && `${path}/`.startsWith(`${root}/`);
    const below = root === "/" ? path : isBelow ? path.slice(root.length) : "";
    return [{ version, mount: point, path: below === "/" ? "" : below }];
  });
}

function parseMount(line: string) {
  const [before = "", after = ""] = line.split(" - ");
  const [, , , root, point] = before.split(" ");
  const [type, , options] = after.split(" ");
  if (root === undefined || point === undefined || options === undefined) return null;
  return { root, point, type, options: options.split(",") };
}

function cgroups(read: ReadText, hierarchy: Hierarchy): MemoryReading[] {
  return directoriesOf(hierarchy)
    .flatMap((directory) => cgroup(read, hierarchy.version, directory) ?? []);
}

/** The cgroup and all above it: each may have a limit. */
function directoriesOf({ mount, path }: Hierarchy): string[] {
  const directories = [mount];
  for (const name of path.split("/").filter(Boolean)) {
    directories.unshift(`${directories[0]}/${name}`);
  }
  return directories;
}

/** The directories of this process's cgroup, and of those above it, for one controller. */
export function cgroupDirectories(read: ReadText, controller: string): string[] {
  return hierarchies(read, controller).flatMap(directoriesOf);
}

const FILES = {
  1: {
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    inactive: "total_inactive_file",
  },
  2: { limit: "memory.max", used: "memory.current", inactive: "inactive_file" },
} as const;

function cgroup(read: ReadText, version: 1 | 2, directory: string): MemoryReading | null {
  const files = FILES[version];
  const limit = number(read(`${directory}/${files.limit}`));
  const used = number(read(`${directory}/${files.used}`));
  // "max", or in version 1 a number beyond all memory (LONG_MAX in pages).
  if (limit === null || used === null || !Number.isSafeInteger(limit)) return null;
  const stat = read(`${directory}/memory.stat`) ?? "";
  const inactive = Number(new RegExp(`^${files.inactive} (\\d+)$`, "m").exec(stat)?.[1] ?? 0);
  return {
    freeBytes: Math.max(0, limit - Math.max(0, used - inactive)),
    totalBytes: limit,
    source: `${directory}/${files.limit}`,
  };
}

function number(text: string | null): number | null {
  return text !== null && /^\d+$/.test(text.trim()) ? Number(text) : null;
}

/**
 * Memory that processes use, each page they share counted once (Pss); resident pages where that is not readable
 * (another user's process). Not read on the main thread: the kernel walks all pages of a process.
 * @returns null when it is unknown
 */
export async function memoryOf(pids: readonly number[]): Promise<number | null> {
  const sizes = await Promise.all(
    pids.map(async (pid) =>
      sizeIn(await readLater(`/proc/${pid}/smaps_rollup`), "Pss") ??
        sizeIn(await readLater(`/proc/${pid}/status`), "VmRSS")
    ),
  );
  const known = sizes.filter((size) => size !== null);
  return known.length === 0 ? null : known.reduce((sum, size) => sum + size, 0);
}

function readLater(path: string): Promise<string> {
  return promises.readFile(path, "utf8").catch(() => "");
}

function sizeIn(text: string, name: string): number | null {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text);
  return match ? Number(match[1]) * KIB : null;
}
