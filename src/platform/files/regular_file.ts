/**
 * Reads a file that a user has named. Never waits: a FIFO without a writer would hold up baton and its signals, and a
 * device has no end.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from "node:fs";

/** What is wrong with a path where `readRegularFile` finds something else. */
export const NOT_A_FILE = "it is not a file";

/**
 * @param refuse makes the error for what is neither a file nor a directory, which fails by itself: EISDIR
 * @param check throws for what must not be read: what is checked is what is read
 */
export function readRegularFile(
  path: string,
  refuse: () => Error = () => new Error(NOT_A_FILE),
  check: (stat: Stats) => void = () => {},
): Uint8Array {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile() && !stat.isDirectory()) throw refuse();
    check(stat);
    return readFileSync(fd);
  } finally {
    closeSync(fd);
  }
}
