/** Which files processes of two generations write to at the same time: what one writes, the other may overwrite. */
import { firstBytes } from "../platform/files/first_bytes.ts";
import {
  filesOpenForWriting,
  isOnlyAppendedTo,
  type OpenFile,
  writableMappings,
} from "../platform/process/open_files.ts";
import { databaseOf, HEADER_SIZE, isHarmlessPath, isMadeForSeveral } from "./harmless.ts";

interface SharedFile {
  readonly path: string;
  readonly how: "open" | "mapped";
  /** A process of each generation that has it. */
  readonly older: number;
  readonly newer: number;
}

/** Processes that are looked at: the workers of one server have the same files. */
const MOST_PROCESSES = 64;
const STANDARD_STREAMS: readonly number[] = [1, 2];

/** @param older is asked only if the newer generation writes to anything */
export function findSharedFiles(
  older: () => readonly number[],
  newer: readonly number[],
): SharedFile[] {
  const written = dataFilesOf(newer);
  if (written.size === 0) return [];
  const before = dataFilesOf(older());
  return [...written].flatMap(([key, file]) => {
    const other = before.get(key);
    if (other === undefined || isMadeForSeveralProcesses(file)) return [];
    const how = file.descriptor < 0 ? "mapped" : "open";
    return [{ path: file.path, how, older: other.pid, newer: file.pid }];
  });
}

/** Data files that processes write to, by device and inode. Open files go before mappings of the same. */
function dataFilesOf(pids: readonly number[]): Map<string, OpenFile> {
  const found = new Map<string, OpenFile>();
  const outputs = new Set<string>();
  for (const pid of pids.slice(0, MOST_PROCESSES)) {
    const open = filesOpenForWriting(pid);
    for (const { descriptor, key } of open) {
      if (STANDARD_STREAMS.includes(descriptor)) outputs.add(key);
    }
    for (const file of [...open, ...writableMappings(pid)]) {
      // There is nothing in an empty file that could be lost: it is there to be locked.
      if (isHarmlessPath(file.path) || file.size === 0 || found.has(file.key)) continue;
      if (!isOnlyAppendedTo(file)) found.set(file.key, file);
    }
  }
  for (const key of outputs) found.delete(key);
  return found;
}

function isMadeForSeveralProcesses({ pid, path }: OpenFile): boolean {
  const database = databaseOf(path) ?? path;
  const header = firstBytes(`/proc/${pid}/root${database}`, HEADER_SIZE);
  return header !== null && isMadeForSeveral(header);
}
