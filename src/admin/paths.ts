/**
 * The paths of a service's control socket, lock and notify sockets.
 *
 * The directory: --runtime-dir, else $RUNTIME_DIRECTORY (systemd), else /run/baton for root and $XDG_RUNTIME_DIR/baton
 * for others, else /tmp/baton-UID, which must belong to this user and be closed to others. A socket whose NAME.lock has
 * no holder (`name_lock.ts`) is stale, and the next baton replaces it.
 */
import { UserError } from "../config/values/errors.ts";
import { chmodSync, lstatSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { isText } from "../platform/bytes.ts";
import { exists } from "../platform/files/path.ts";
import type { Platform } from "../platform/platform.ts";
import { isListening } from "./client.ts";
import { errorText } from "../platform/error.ts";
import { ROOT_UID } from "../platform/process/processes.ts";

/** Each systemd unit has its own directory below this one. */
const UNITS_DIRECTORY = "/run/baton";
const DIRECTORY_MODE = 0o755;
const PRIVATE_MODE = 0o700;
const OTHERS_MAY_WRITE = 0o022;
const MAX_SOCKET_PATH_BYTES = 107;
/** The epoch for which the length of paths is checked: its notify socket has the longest path. */
const LAST_EXPECTED_EPOCH = 9_999_999;

/**
 * @returns the directory for `uid`; does not touch the file system
 * @throws {UserError} when its path is not UTF-8: `node:fs` would change it
 */
export function runtimeDirectory(
  asked: string | null,
  env: Readonly<Record<string, string>>,
  uid: number,
): string {
  if (asked !== null) return inText(asked, "--runtime-dir");
  const [systemd] = (env["RUNTIME_DIRECTORY"] ?? "").split(":");
  if (systemd) return inText(systemd, "RUNTIME_DIRECTORY");
  if (uid === ROOT_UID) return "/run/baton";
  const xdg = env["XDG_RUNTIME_DIR"];
  return xdg ? join(inText(xdg, "XDG_RUNTIME_DIR"), "baton") : `/tmp/baton-${uid}`;
}

function inText(directory: string, source: string): string {
  if (isText(directory)) return directory;
  throw refuse(
    `Cannot use ${source} ${directory}: the path is not UTF-8`,
    "Use --runtime-dir with another path",
  );
}

function refuse(message: string, remedy = "Use --runtime-dir with a directory of your own") {
  return new UserError(message, { remedy });
}

/** Creates the directory if needed. @throws {UserError} when it cannot be used safely */
export function prepareDirectory(directory: string, uid: number): void {
  const mode = directory.startsWith("/tmp/") ? PRIVATE_MODE : DIRECTORY_MODE;
  try {
    mkdirSync(directory, { recursive: true, mode });
  } catch (error) {
    throw refuse(`Cannot create runtime directory ${directory}: ${errorText(error)}`);
  }
  checkDirectory(directory, uid);
}

/** @throws {UserError} when it is not a directory, or other users could change its contents */
export function checkDirectory(directory: string, uid: number): void {
  const untrusted = `Cannot trust runtime directory ${directory}`;
  const link = lstatSync(directory);
  if (link.isSymbolicLink() && link.uid !== uid && link.uid !== ROOT_UID) {
    throw refuse(`${untrusted}: it is a symbolic link of user ${link.uid}`);
  }
  const stat = statSync(directory);
  if (!stat.isDirectory()) throw refuse(`Cannot use ${directory}: it is not a directory`);
  if (stat.uid !== uid && stat.uid !== ROOT_UID) {
    throw refuse(`${untrusted}: it belongs to user ${stat.uid}`);
  }
  if ((stat.mode & OTHERS_MAY_WRITE) !== 0) {
    throw refuse(
      `${untrusted}: others may write to it`,
      `Use --runtime-dir with a directory of your own, or: chmod go-w ${directory}`,
    );
  }
}

export interface ServicePaths {
  readonly socket: string;
  readonly lock: string;
  /** Where the fd-store process waits for the next baton (--survive). */
  readonly hold: string;
  /** The latest events, for the next baton. */
  readonly events: string;
  /** Leads to the statistics (stats/region.ts). */
  readonly stats: string;
  notify(epoch: number, worker: number): string;
}

export function servicePaths(directory: string, name: string): ServicePaths {
  return {
    socket: join(directory, `${name}.sock`),
    lock: join(directory, `${name}.lock`),
    hold: join(directory, `${name}.hold`),
    events: join(directory, `${name}.events`),
    stats: join(directory, `${name}.stats`),
    notify: (epoch, worker) =>
      join(directory, `${name}.notify.${epoch}${worker === 0 ? "" : `.${worker}`}`),
  };
}

/** @throws {UserError} when a socket of the service would not fit into sun_path, unix(7) */
export function checkPathLength(directory: string, paths: ServicePaths): void {
  const longest = paths.notify(LAST_EXPECTED_EPOCH, 0);
  const length = new TextEncoder().encode(longest).length;
  if (length <= MAX_SOCKET_PATH_BYTES) return;
  throw refuse(
    `Cannot use runtime directory ${directory}: the path of a socket in it would be ${length} ` +
      `bytes long, and ${MAX_SOCKET_PATH_BYTES} fit`,
    "Use --runtime-dir with a shorter path, or a shorter --name",
  );
}

/**
 * Recreates a runtime directory that was removed. Not its parent: the log-in or mount that created that recreates it. The
 * exception is the directory of the units, which any baton of root creates.
 * @throws {Error} when it cannot be created or used
 */
export function recreateDirectory(directory: string, uid: number, mode: number): void {
  const above = dirname(directory);
  if (above === UNITS_DIRECTORY && !exists(above)) mkdirSync(above, { mode: DIRECTORY_MODE });
  if (!exists(directory)) {
    mkdirSync(directory, { mode });
    // mkdir(2) applies the umask.
    chmodSync(directory, mode);
  }
  checkDirectory(directory, uid);
}

/** The services that a command can reach. */
interface Reachable {
  /** The directory that was asked for, or the default one. */
  readonly directory: string;
  readonly names: readonly string[];
  /** The directory of a service's control socket. */
  placeOf(name: string): string;
  /** Names whose baton is running: a killed one leaves its control socket behind. */
  running(): string[];
}

/**
 * @param asked a directory; null: the default one, and those of systemd units, each in a directory of its own
 * (RuntimeDirectory=baton/NAME, as `baton init systemd` writes it)
 */
export function reachableServices(platform: Platform, asked: string | null): Reachable {
  const directory = runtimeDirectory(asked, platform.runtime.env(), platform.processes.userId());
  const own = servicesIn(directory);
  const isUnit = (name: string) => servicesIn(join(UNITS_DIRECTORY, name)).includes(name);
  const units = asked === null ? entriesOf(UNITS_DIRECTORY).filter(isUnit) : [];
  const names = [...new Set([...own, ...units])].sort();
  const placeOf = (name: string) =>
    !own.includes(name) && units.includes(name) ? join(UNITS_DIRECTORY, name) : directory;
  const socketOf = (name: string) => servicePaths(placeOf(name), name).socket;
  const running = () => names.filter((name) => isListening(platform, socketOf(name)));
  return { directory, names, placeOf, running };
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** @returns names of the services with a control socket in `directory` */
function servicesIn(directory: string): string[] {
  return entriesOf(directory)
    .filter((file) => file.endsWith(".sock"))
    .map((file) => file.slice(0, -".sock".length))
    .sort();
}
