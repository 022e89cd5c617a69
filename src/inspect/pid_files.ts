/** Finds pid files that name one of a server's processes, in the few folders where servers keep them. */
import { firstBytes } from "../platform/files/first_bytes.ts";
import { namesIn } from "../platform/files/listing.ts";
import { commandLineOf, workingDirectoryOf } from "../platform/process/proc.ts";

interface PidFile {
  readonly path: string;
  readonly pid: number;
}

const SYSTEM_FOLDER = "/run";
/** Folders below the working directory: of Rails, Mojolicious, and of programs with a prefix of their own. */
const OWN_FOLDERS = ["", "/run", "/var/run", "/tmp", "/tmp/pids", "/log", "/logs", "/pids", "/pid"];
const PID_NAME = /(?:\.|^)pid$|pid$/;
/** Bytes that are read of a pid file: a number of ten digits, and what some servers write after it. */
const FIRST_BYTES = 24;
const MOST_FILES = 200;

/** @param pids the leader first: its working directory and arguments are looked at */
export function pidFilesOf(pids: readonly number[]): PidFile[] {
  const [leader] = pids;
  if (leader === undefined) return [];
  const found = new Set<string>();
  for (const path of pathsInWords(commandLineOf(leader))) found.add(path);
  for (const folder of foldersOf(leader)) {
    for (const name of namesIn(folder, "files")) {
      if (PID_NAME.test(name)) found.add(`${folder}/${name}`);
    }
  }
  return [...found].slice(0, MOST_FILES).flatMap((path) => {
    const pid = numberIn(firstBytes(path, FIRST_BYTES));
    return pid !== null && pids.includes(pid) ? [{ path, pid }] : [];
  });
}

/** Paths in arguments: `-p /run/a.pid`, `--pid=/run/a.pid`, `pid /run/a.pid;`. */
export function pathsInWords(words: readonly string[]): string[] {
  return words.flatMap((word) => [...word.matchAll(/\/[^\s;,"'=]+/g)].map(([path]) => path))
    .filter((path) => PID_NAME.test(path));
}

/** @returns the number that the first line is; null: it is none */
export function numberIn(bytes: Uint8Array | null): number | null {
  const digits = /^\s*(\d{1,10})(?:\s|$)/.exec(new TextDecoder().decode(bytes ?? undefined))?.[1];
  return digits === undefined ? null : Number(digits);
}

function foldersOf(leader: number): string[] {
  const own = workingDirectoryOf(leader);
  const below = namesIn(SYSTEM_FOLDER, "folders").map((name) => `${SYSTEM_FOLDER}/${name}`);
  const ours = own === null || own === "/" ? [] : OWN_FOLDERS.map((folder) => own + folder);
  return [...ours, SYSTEM_FOLDER, ...below];
}
