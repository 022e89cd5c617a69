/**
 * The file of --admin-token-file: one token a line; a second one lets clients change theirs one after the other. It is
 * read for each request that brings a token, so that a token that is removed is refused at once. Others must not be able
 * to read the file, or to change it: what is wrong with it refuses every token.
 */
import { UserError } from "../config/values/errors.ts";
import { readPrivateFile } from "../platform/files/private_file.ts";

/** Characters of the shortest token: 64 bits and more, if it is random. */
const MIN_TOKEN = 16;
const TOKEN = /^[\x21-\x7e]+$/;
const MAKE = "Make one: (umask 077; head -c 32 /dev/urandom | base64 >FILE)";

/** @throws {UserError} when no token can be read from the file */
export function readTokens(path: string): readonly string[] {
  const refuse = (why: string, remedy: string) =>
    new UserError(`Cannot use the tokens in ${path}: ${why}`, { remedy });
  const lines = readPrivateFile(path, refuse, MAKE).split("\n").map((line) => line.trim());
  const tokens = lines.filter((line) => line !== "");
  if (tokens.length === 0) throw refuse("it holds no token", MAKE);
  if (tokens.some((token) => token.length < MIN_TOKEN || !TOKEN.test(token))) {
    throw refuse(`a token is ${MIN_TOKEN} or more printable characters without spaces`, MAKE);
  }
  return tokens;
}
