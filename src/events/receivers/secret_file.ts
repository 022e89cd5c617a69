/** The file of `--webhook-secret-file`. */
import { readFileSync, statSync } from "node:fs";
import { UserError } from "../../config/values/errors.ts";
import { errorText } from "../../platform/error.ts";

const OTHERS_MASK = 0o007;

/** @throws {UserError} when it cannot be read, or others can read it */
export function readSecret(path: string): string {
  const refuse = (why: string, remedy: string) =>
    new UserError(`Cannot use --webhook-secret-file ${path}: ${why}`, { remedy });
  let secret: string;
  let mode: number;
  try {
    ({ mode } = statSync(path));
    secret = readFileSync(path, "utf8").trim();
  } catch (error) {
    throw refuse(errorText(error), "Create it, or name another file");
  }
  if ((mode & OTHERS_MASK) !== 0) throw refuse("any user can read it", `chmod o= ${path}`);
  if (secret === "") throw refuse("it is empty", "Write the secret into it");
  return secret;
}
