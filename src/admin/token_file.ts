/**
 * The file of --admin-token-file: one token a line; a second one lets clients change theirs one after the other. It is
 * read for each request that brings a token, so that a token that is removed is refused at once. Others must not be able
 * to read the file, or to change it: what is wrong with it refuses every token.
 */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { UserError } from "../config/values/errors.ts";
import { errorText } from "../platform/error.ts";

/** Of 64 bits and more, if it is random. */
const MIN_TOKEN = 16;
const MAX_BYTES = 4_096;
/** Write permission of the group, and any of others. */
const FORBIDDEN_MODE = 0o027;
const TOKEN = /^[\x21-\x7e]+$/;

/** @throws {UserError} when no token can be read from the file */
export function readTokens(path: string): readonly string[] {
  const tokens = readFile(path).split("\n").map((line) => line.trim()).filter((line) =>
    line !== ""
  );
  if (tokens.length === 0) throw refuse(path, "it holds no token", MAKE);
  if (tokens.some((token) => token.length < MIN_TOKEN || !TOKEN.test(token))) {
    throw refuse(path, `a token is ${MIN_TOKEN} or more printable characters without spaces`, MAKE);
  }
  return tokens;
}

const MAKE = "Make one: (umask 077; head -c 32 /dev/urandom | base64 >FILE)";

function readFile(path: string): string {
  let fd: number;
  try {
    // Without O_NONBLOCK baton would wait for the writer of a FIFO.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw refuse(path, errorText(error), "Create it, or name another file with --admin-token-file");
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw refuse(path, "it is not a file", MAKE);
    if ((stat.mode & FORBIDDEN_MODE) !== 0) {
      const mode = (stat.mode & 0o777).toString(8).padStart(4, "0");
      throw refuse(
        path,
        `its mode is ${mode}: users who must not know the token can read or change it`,
        `chmod 0600 ${path}; a secret of Kubernetes has defaultMode: 0400`,
      );
    }
    const buffer = new Uint8Array(MAX_BYTES + 1);
    const length = readSync(fd, buffer);
    if (length > MAX_BYTES) throw refuse(path, `it is longer than ${MAX_BYTES} bytes`, MAKE);
    return new TextDecoder().decode(buffer.subarray(0, length));
  } finally {
    closeSync(fd);
  }
}

function refuse(path: string, why: string, remedy: string): UserError {
  return new UserError(`Cannot use the tokens in ${path}: ${why}`, { remedy });
}
