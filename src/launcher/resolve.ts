/**
 * From the first word of a command to a program file, as execvp(3) and the shells do it, but with an
 * error that says which of the two things is wrong: not found (127) or not executable (126).
 */
import { accessSync, constants, statSync } from "node:fs";
import type { Stats } from "node:fs";
import { isAbsolute, resolve } from "node:path";

export const STATUS_NOT_FOUND = 127;
export const STATUS_NOT_EXECUTABLE = 126;
const DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin";

export type Resolution =
  | { readonly kind: "found"; readonly path: string }
  | { readonly kind: "failed"; readonly status: number; readonly message: string };

/**
 * @param program first word of the command
 * @param searchPath value of PATH of the server, undefined = unset
 * @param cwd the server's working directory; relative paths start there
 */
export function resolveProgram(
  program: string,
  searchPath: string | undefined,
  cwd: string,
): Resolution {
  if (program.includes("/")) return examine(resolve(cwd, program), program);
  let blocked: Resolution | null = null;
  for (const directory of (searchPath ?? DEFAULT_PATH).split(":")) {
    const base = isAbsolute(directory) ? directory : resolve(cwd, directory);
    const path = resolve(base, program);
    // A directory of PATH that may not be searched (root's, for others) is passed over, as by a shell.
    if (typeof look(path) === "string") continue;
    const candidate = examine(path, program);
    if (candidate.kind === "found") return candidate;
    if (candidate.status === STATUS_NOT_EXECUTABLE) blocked ??= candidate;
  }
  return blocked ?? {
    kind: "failed",
    status: STATUS_NOT_FOUND,
    message: `Cannot find program "${program}" in PATH: check the name, or give its full path`,
  };
}

/** stat(2), or the code of its error. */
function look(path: string): Stats | string {
  try {
    return statSync(path);
  } catch (error) {
    return (error as { code?: string }).code ?? "unknown";
  }
}

function examine(path: string, asked: string): Resolution {
  const stat = look(path);
  if (stat === "EACCES") return notExecutable(path, "no permission to search its directory");
  if (typeof stat === "string") {
    return {
      kind: "failed",
      status: STATUS_NOT_FOUND,
      message: `Cannot find program "${asked}": no file ${path}`,
    };
  }
  if (stat.isDirectory()) return notExecutable(path, "it is a directory");
  try {
    accessSync(path, constants.X_OK);
  } catch {
    return notExecutable(path, `no execute permission, try: chmod +x ${path}`);
  }
  return { kind: "found", path };
}

function notExecutable(path: string, why: string): Resolution {
  return {
    kind: "failed",
    status: STATUS_NOT_EXECUTABLE,
    message: `Cannot execute "${path}": ${why}`,
  };
}
