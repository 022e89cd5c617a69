/**
 * A file with a secret in it, which others must be able neither to read nor to change. It is read at each use, so that a
 * change counts at once.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { errorText } from "../error.ts";
import { C } from "../libc/constants.ts";

const MAX_BYTES = 4_096;
/** Permissions that the file must not give: to write for the group, and any for others. */
const FORBIDDEN_MODE = 0o027;

/**
 * @param refuse makes the error that is thrown
 * @param remedy where the file itself is not of use
 */
export function readPrivateFile(
  path: string,
  refuse: (why: string, remedy: string) => Error,
  remedy: string,
): string {
  let fd: number;
  try {
    // A named pipe without a writer would block baton.
    fd = openSync(path, C.O_RDONLY | C.O_NONBLOCK);
  } catch (error) {
    throw refuse(errorText(error), "Create it, or name another file");
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw refuse("it is not a file", remedy);
    if ((stat.mode & FORBIDDEN_MODE) !== 0) {
      const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
      throw refuse(
        `its mode is ${mode}: users who must not know the secret can read or change it`,
        `chmod 0600 ${path}; a secret of Kubernetes has defaultMode: 0400`,
      );
    }
    const buffer = new Uint8Array(MAX_BYTES + 1);
    const length = readSync(fd, buffer);
    if (length > MAX_BYTES) throw refuse(`it is longer than ${MAX_BYTES} bytes`, remedy);
    return new TextDecoder().decode(buffer.subarray(0, length));
  } finally {
    closeSync(fd);
  }
}
