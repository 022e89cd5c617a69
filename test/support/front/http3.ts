/** A client of HTTP/3: aioquic, from PyPI, installed once below `.cache/`. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "../baton.ts";
import { fixture, REPOSITORY } from "../programs.ts";

const VERSION = "1.3.0";
const PEERS = join(REPOSITORY, ".cache", "peers");
const INSTALL_TIMEOUT_MS = 180_000;

/** Under a lock: test files run side by side. A virtual environment cannot be moved, so a mark says that it is whole. */
const INSTALL = `set -e
test -e "$1/.installed" && exit 0
python3 -m venv "$1"
"$1/bin/pip" install --quiet --disable-pip-version-check "aioquic==$2"
touch "$1/.installed"`;

/** @returns a Python with aioquic @throws {Error} when it cannot be had */
export function http3Python(): string {
  const folder = join(PEERS, `aioquic-${VERSION}`);
  if (!existsSync(join(folder, ".installed"))) {
    mkdirSync(PEERS, { recursive: true });
    execFileSync("flock", [`${folder}.lock`, "sh", "-c", INSTALL, "install", folder, VERSION], {
      stdio: ["ignore", "ignore", "pipe"],
      timeout: INSTALL_TIMEOUT_MS,
    });
  }
  return join(folder, "bin", "python");
}

/** @returns the status of `GET /`, or "none" */
export async function http3Status(python: string, port: number): Promise<string> {
  const { stdout, stderr } = await runCommand([
    python,
    fixture("peers/http3_get.py"),
    String(port),
  ]);
  return stdout.trim() || stderr;
}
