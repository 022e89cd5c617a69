/** Which files two generations may write to at the same time: what is written there is not lost by it. Pure. */

/** Folders of devices, and of what the kernel makes up: no data of the server's. */
const KERNEL_FOLDERS = ["/dev/", "/proc/", "/sys/"];
const LOG_FOLDER = "/var/log/";
/** Folders of caches, which are made again from something else when they are damaged. */
const CACHES = /\/(?:__pycache__|hsperfdata_[^/]*|(?:[^/]*[-_.])?caches?(?:[-_.][^/]*)?)\//;
/** Counters of Go's programs, mapped by all of them at once (golang.org/x/telemetry). */
const GO_TELEMETRY = "/go/telemetry/";
/** Names of pid files: one number. Which of two processes it names is another question (--server-pidfile). */
const PID_FILE = /(?:\.|\/)pid$/;

export function isHarmlessPath(path: string): boolean {
  return KERNEL_FOLDERS.some((folder) => path.startsWith(folder)) ||
    path.startsWith(LOG_FOLDER) || CACHES.test(path) || path.includes(GO_TELEMETRY) ||
    PID_FILE.test(path);
}

const SQLITE_MAGIC = "SQLite format 3\0";
const LMDB_MAGIC = 0xbeefc0de;
/** Where LMDB's mark is in the data file, whose first page begins with a header of its own, and in the lock file. */
const LMDB_OFFSETS = [16, 0];
/** Bytes of a file that `isMadeForSeveral` needs. */
export const HEADER_SIZE = 32;

/**
 * Whether a file is a database whose library is made for several processes at the same time, and locks what it writes:
 * SQLite (sqlite.org/fileformat.html, 1.3), LMDB (mdb.c, MDB_MAGIC).
 */
export function isMadeForSeveral(header: Uint8Array): boolean {
  if (new TextDecoder().decode(header.subarray(0, SQLITE_MAGIC.length)) === SQLITE_MAGIC) {
    return true;
  }
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  return LMDB_OFFSETS.some((offset) =>
    header.length >= offset + 4 && view.getUint32(offset, true) === LMDB_MAGIC
  );
}

/** Files that SQLite keeps beside a database. @returns the path of the database; null: it is none of them */
export function databaseOf(path: string): string | null {
  return /^(.+)-(?:wal|shm|journal)$/.exec(path)?.[1] ?? null;
}
