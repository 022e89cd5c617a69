/** What a running copy holds that a second one may want: pid files, locks, Unix sockets. */
import { dirname } from "node:path";
import { listeningSocketsOf } from "../inspect/unix_sockets.ts";
import { isOnlyAppendedTo, locksHeldBy, openFiles } from "../platform/process/open_files.ts";
import { isBelow } from "./mount_table.ts";
import type { Attempt } from "./plan.ts";
import { pidIn, type Writings } from "./written_files.ts";

export interface Holding {
  readonly kind: "pid file" | "lock" | "Unix socket";
  readonly path: string;
  /** Whether it guards a directory of data, into which only one copy may write. */
  readonly isData: boolean;
}

/** @param pids of the copy */
export function holdingsOf(pids: readonly number[], writings: Writings): Holding[] {
  const open = pids.flatMap(openFiles).filter(({ path }) => !OF_KERNEL.test(path));
  const locked = new Set(open.filter((file) => locksHeldBy(file).length > 0).map(pathOf));
  const written = open.filter((file) => file.isWritable && !isOnlyAppendedTo(file)).map(pathOf);
  const pidFiles = [...writings].filter(([, file]) => pids.includes(pidIn(file) ?? 0))
    .map(([path]) => path);
  const sockets = listeningSocketsOf(pids).map(pathOf).filter((path) => path.startsWith("/"));
  const special = new Set([...locked, ...pidFiles, ...sockets]);
  const data = [...written, ...writings.keys()]
    .filter((path) => !special.has(path) && !LOG.test(path) && !OF_KERNEL.test(path));
  const isData = (path: string) =>
    (writings.get(path)?.size ?? 0) >= LEAST_DATA || guards(path, data);
  return [
    ...pidFiles.map((path) => ({ kind: "pid file", path, isData: isData(path) }) as const),
    ...[...locked].filter((path) => !pidFiles.includes(path))
      .map((path) => ({ kind: "lock", path, isData: isData(path) }) as const),
    ...sockets.map((path) => ({ kind: "Unix socket", path, isData: false }) as const),
  ];
}

function pathOf({ path }: { readonly path: string }): string {
  return path;
}

const OF_KERNEL = /^\/(dev|proc)\//;
const LOG = /\.(log|err|out)$/;
/** Bytes from which on a locked file is no mere lock: etcd's database is locked itself. */
const LEAST_DATA = 4096;
/** Directories that programs share: what else is written there says nothing. */
const COMMON = ["/tmp", "/var/tmp", "/run", "/var/run", "/run/lock", "/dev/shm", "/"];

function guards(path: string, data: readonly string[]): boolean {
  const directory = dirname(path);
  return !COMMON.includes(directory) && !isBelow(directory, "/run") &&
    data.some((other) => isBelow(other, directory));
}

/** @param pids of the copy that serves after the reload */
export function pidFileFates(
  held: readonly Holding[],
  writings: Writings,
  pids: readonly number[],
): Attempt["pidFiles"] {
  const pathsOf = (holdings: readonly Holding[]) =>
    holdings.filter(({ kind }) => kind === "pid file").map(({ path }) => path);
  const isPerGeneration = pathsOf(holdingsOf(pids, writings)).some((path) =>
    !pathsOf(held).includes(path)
  );
  if (isPerGeneration) return [];
  return pathsOf(held).map((path) => ({ path, fate: fateOf(writings, path, pids) }));
}

function fateOf(
  writings: Writings,
  path: string,
  pids: readonly number[],
): Attempt["pidFiles"][number]["fate"] {
  const file = writings.get(path);
  if (file === undefined) return "gone";
  return pids.includes(pidIn(file) ?? 0) ? "kept" : "stale";
}
