/**
 * Ports for listeners of tests that run at the same time, also in several processes.
 *
 * A port is outside the kernel's ephemeral range, so that no client connection can ever sit on it; it is reserved by
 * a lock file for the life of this process, which all of one user's tests see (root's get even ports, and others odd
 * ones); and no process listens on it, on any IPv4 or IPv6 address, when it is given.
 * The server binds it itself a moment later: what this does not stop is a program that is no test of ours.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import process from "node:process";

const LOWEST_PORT = 10_240;
const DEFAULT_EPHEMERAL_RANGE = "32768 60999";
const MAX_TRIES = 200;
const LOCK_FOLDER = join(tmpdir(), `baton-test-ports-${userInfo().uid}`);

const heldUntilExit = new Set<string>();

/** @throws {Error} when no free port was found in MAX_TRIES tries. */
export async function freePort(): Promise<number> {
  const below = firstEphemeralPort();
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const pair = Math.floor(Math.random() * (below - LOWEST_PORT) / 2);
    const port = LOWEST_PORT + 2 * pair + (userInfo().uid === 0 ? 0 : 1);
    if (reserve(port) && await bindable(port, "0.0.0.0") && await bindable(port, "::")) return port;
  }
  throw new Error(`Cannot find a free port in ${MAX_TRIES} tries below ${below}`);
}

function firstEphemeralPort(): number {
  const low = Number(readEphemeralRange().trim().split(/\s+/)[0]);
  return low >= LOWEST_PORT * 2 ? low : Number(DEFAULT_EPHEMERAL_RANGE.split(" ")[0]);
}

function readEphemeralRange(): string {
  try {
    return readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8");
  } catch {
    return DEFAULT_EPHEMERAL_RANGE;
  }
}

/** Creates the port's lock file with our pid in it; a lock of a dead process is taken over. */
function reserve(port: number): boolean {
  mkdirSync(LOCK_FOLDER, { recursive: true });
  const lock = join(LOCK_FOLDER, String(port));
  if (!create(lock) && !(ownerIsDead(lock) && (rmSync(lock, { force: true }), create(lock)))) {
    return false;
  }
  if (heldUntilExit.size === 0) process.on("exit", release);
  heldUntilExit.add(lock);
  return true;
}

function create(lock: string): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch {
    return false;
  }
}

function ownerIsDead(lock: string): boolean {
  try {
    const owner = Number(readFileSync(lock, "utf8"));
    if (!(owner > 0)) return false; // being written just now
    process.kill(owner, 0);
    return false;
  } catch (error) {
    return (error as { code?: string }).code === "ESRCH";
  }
}

function release(): void {
  for (const lock of heldUntilExit) rmSync(lock, { force: true });
}

function bindable(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: { code?: string }) => {
      resolve(error.code === "EAFNOSUPPORT" || error.code === "EADDRNOTAVAIL"); // no IPv6 here
    });
    server.listen({ port, host, exclusive: true, ipv6Only: true }, () => {
      server.close(() => resolve(true));
    });
  });
}
