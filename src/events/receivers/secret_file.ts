/** The file of `--webhook-secret-file`. */
import { UserError } from "../../config/values/errors.ts";
import { readPrivateFile } from "../../platform/files/private_file.ts";

/** @throws {UserError} when it cannot be used */
export function readSecret(path: string): string {
  const refuse = (why: string, remedy: string) =>
    new UserError(`Cannot use --webhook-secret-file ${path}: ${why}`, { remedy });
  const remedy = "Write the secret into it";
  const secret = readPrivateFile(path, refuse, remedy).trim();
  if (secret === "") throw refuse("it is empty", remedy);
  return secret;
}
