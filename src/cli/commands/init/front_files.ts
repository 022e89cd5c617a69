/**
 * Files of a front on disk. Those of baton begin with a line that says so; one that does not is a person's, and is not
 * written over. Each is replaced whole, and only when it differs.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { UserError } from "../../../config/values/errors.ts";
import { type FrontDocument, MARK } from "../../../init/envoy/front_documents.ts";
import { errorText } from "../../../platform/error.ts";
import { EXIT_SYSTEM } from "../../console/exit_status.ts";

/** @throws {UserError} */
export function prepare(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw new UserError(`Cannot make ${directory}: ${errorText(error)}`, {
      status: EXIT_SYSTEM,
      remedy: "Use a directory that this user may write to: --front eds:DIR/eds.yaml",
    });
  }
}

/** @throws {UserError} for a file that does not begin with the line that files of baton begin with */
export function checkOurs({ path, isOnce }: FrontDocument): void {
  if (isOnce || !existsSync(path) || readFileSync(path, "utf8").startsWith(MARK)) return;
  throw new UserError(`Cannot write ${path}: 'baton init envoy' has not written the file there`, {
    remedy: "Move it away, or name another directory: --front eds:DIR/eds.yaml",
  });
}

/** @throws {UserError} */
export function write({ path, text, isOnce }: FrontDocument): "wrote" | "kept" | "unchanged" {
  const temporary = `${path}.new`;
  try {
    if (existsSync(path)) {
      if (isOnce) return "kept";
      if (readFileSync(path, "utf8") === text) return "unchanged";
    }
    writeFileSync(temporary, text);
    renameSync(temporary, path);
    return "wrote";
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new UserError(`Cannot write ${path}: ${errorText(error)}`, {
      status: EXIT_SYSTEM,
      remedy: "Use a directory that this user may write to: --front eds:DIR/eds.yaml",
    });
  }
}
