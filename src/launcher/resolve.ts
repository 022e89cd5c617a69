/**
 * From the first word of a command to a program file, as execvp(3) and the shells do it, but with an
 * error that says which of the two things is wrong: not found (127) or not executable (126).
 */
import { type Stats, statSync } from "node:fs";
import type { Files } from "../platform/files/files.ts";
import { resolvePath } from "../platform/files/path.ts";

export const STATUS_NOT_FOUND = 127;
export const STATUS_NOT_EXECUTABLE = 126;
const DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin";

type Resolution =
  | { readonly kind: "found"; readonly path: string }
  | { readonly kind: "failed"; readonly status: number; readonly message: string };

/**
 * @param searchPath value of PATH of the server, undefined = unset
 * @param cwd the server's working directory; relative paths start there
 */
export function resolveProgram(
  program: string,
  searchPath: string | undefined,
  cwd: string,
  files: Files,
): Resolution {
  if (program.includes("/")) return examine(resolvePath(cwd, program), program, files);
  let blocked: Resolution | null = null;
  for (const directory of (searchPath ?? DEFAULT_PATH).split(":")) {
    const path = resolvePath(resolvePath(cwd, directory), program);
    // A directory of PATH that may not be searched (root's, for others) is passed over, as by a shell.
    if (typeof look(path, files) === "string") continue;
    const candidate = examine(path, program, files);
    if (candidate.kind === "found") return candidate;
    if (candidate.status === STATUS_NOT_EXECUTABLE) blocked ??= candidate;
  }
  return blocked ??
    notFound(program, " in PATH: check the name, or give its full path");
}

/** stat(2), or the code of its error. */
function look(path: string, files: Files): Stats | string {
  try {
    return files.at(path, (name) => statSync(name));
  } catch (error) {
    return (error as { code?: string }).code ?? "unknown";
  }
}

function examine(path: string, asked: string, files: Files): Resolution {
  const stat = look(path, files);
  if (stat === "EACCES") return notExecutable(path, "no permission to search its directory");
  if (typeof stat === "string") return notFound(asked, `: no file ${path}`);
  if (stat.isDirectory()) return notExecutable(path, "it is a directory");
  if (!files.canExecute(path)) {
    return notExecutable(path, `no execute permission, try: chmod +x ${path}`);
  }
  return { kind: "found", path };
}

function notFound(program: string, why: string): Resolution {
  const message = `Cannot find program "${program}"${why}`;
  return { kind: "failed", status: STATUS_NOT_FOUND, message };
}

function notExecutable(path: string, why: string): Resolution {
  const message = `Cannot execute "${path}": ${why}`;
  return { kind: "failed", status: STATUS_NOT_EXECUTABLE, message };
}
