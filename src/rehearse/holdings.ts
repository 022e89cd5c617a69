/** What a running copy holds that a second one may want: pid files, locks, Unix sockets. */
import { readdirSync } from "node:fs";
import { dirname } from "node:path";
import {
  descriptorFlags,
  descriptorTarget,
  readText,
  socketDescriptorsOf,
} from "../platform/process/proc.ts";
import { C } from "../platform/libc/constants.ts";
import { isBelow } from "./mount_table.ts";
import type { Attempt } from "./plan.ts";
import { pidIn, type Writings } from "./written_files.ts";

export interface Holding {
  readonly kind: "pid file" | "lock" | "Unix socket";
  readonly path: string;
  /** It guards a directory of data, into which only one copy may write. */
  readonly isData: boolean;
}

interface OpenFile {
  readonly path: string;
  readonly isLocked: boolean;
}

/** @param pids of the copy */
export function holdingsOf(pids: readonly number[], writings: Writings): Holding[] {
  const open = pids.flatMap(openFilesOf);
  const locked = new Set(open.filter(({ isLocked }) => isLocked).map(({ path }) => path));
  const pidFiles = [...writings].filter(([, file]) => pids.includes(pidIn(file) ?? 0))
    .map(([path]) => path);
  const sockets = listeningSockets(pids);
  const special = new Set([...locked, ...pidFiles, ...sockets]);
  const data = [...new Set([...open.map(({ path }) => path), ...writings.keys()])]
    .filter((path) => !special.has(path) && !/\.(log|err|out)$|^\/(dev|proc)\//.test(path));
  const isData = (path: string) =>
    (writings.get(path)?.size ?? 0) >= LEAST_DATA || guards(path, data);
  return [
    ...pidFiles.map((path) => ({ kind: "pid file", path, isData: isData(path) }) as const),
    ...[...locked].filter((path) => !pidFiles.includes(path))
      .map((path) => ({ kind: "lock", path, isData: isData(path) }) as const),
    ...sockets.map((path) => ({ kind: "Unix socket", path, isData: false }) as const),
  ];
}

/** A locked file of that size is no mere lock: etcd's database is locked itself. */
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

function openFilesOf(pid: number): OpenFile[] {
  return namesIn(`/proc/${pid}/fd`).flatMap((name) => {
    const path = descriptorTarget(pid, Number(name));
    if (path === null || !path.startsWith("/") || /^\/(dev|proc|memfd:)/.test(path)) return [];
    const flags = descriptorFlags(pid, Number(name)) ?? 0;
    const isLocked = /^lock:/m.test(readText(`/proc/${pid}/fdinfo/${name}`) ?? "");
    if (!isLocked && ((flags & C.O_ACCMODE) === C.O_RDONLY || (flags & C.O_APPEND) !== 0)) {
      return [];
    }
    return [{ path, isLocked }];
  });
}

/** Unix sockets that listen, proc_net(5): flags 00010000. */
function listeningSockets(pids: readonly number[]): string[] {
  const inodes = new Set(pids.flatMap((pid) => [...socketDescriptorsOf(pid).keys()]));
  const rows = (readText("/proc/net/unix") ?? "").matchAll(
    /^\S+: \S+ \S+ 00010000 \S+ \S+ +(\d+) (\/.*)$/gm,
  );
  return [...rows].filter(([, inode]) => inodes.has(Number(inode) >>> 0)).map(([, , path]) =>
    path!
  );
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
