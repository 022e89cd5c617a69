/**
 * Where a service's control socket, lock and notify sockets are, and the right to use the name.
 *
 * The directory: --runtime-dir, else $RUNTIME_DIRECTORY (systemd), else /run/baton for root and
 * $XDG_RUNTIME_DIR/baton for others, else /tmp/baton-UID, which must be ours and closed to others.
 * The right to a name is a lock on NAME.lock, held for as long as baton lives: it goes with the
 * process however that ends, so a socket file without a lock holder is stale and is taken over.
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

/** Of units, each with a directory of its own. */
const UNITS_DIRECTORY = "/run/baton";
const DIRECTORY_MODE = 0o755;
const PRIVATE_MODE = 0o700;
const OTHERS_MAY_WRITE = 0o022;
const MAX_SOCKET_PATH_BYTES = 107;
/** The path of its notify socket is the longest of all. */
const LAST_EXPECTED_EPOCH = 9_999_999;

/**
 * @returns the directory for `uid`; does not touch the file system
 * @throws {UserError} when its path is not UTF-8, which `node:fs` would change
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
  throw new UserError(`Cannot use ${source} ${directory}: the path is not UTF-8`, {
    remedy: "Use --runtime-dir with another path",
  });
}

/** Makes the directory if needed. @throws {UserError} when it cannot be used safely */
export function prepareDirectory(directory: string, uid: number): void {
  const remedy = "Use --runtime-dir with a directory of your own";
  try {
    mkdirSync(directory, {
      recursive: true,
      mode: directory.startsWith("/tmp/") ? PRIVATE_MODE : DIRECTORY_MODE,
    });
  } catch (error) {
    const why = errorText(error);
    throw new UserError(`Cannot make runtime directory ${directory}: ${why}`, { remedy });
  }
  checkDirectory(directory, uid);
}

/** @throws {UserError} when what is there is no directory, or others could change what is in it */
export function checkDirectory(directory: string, uid: number): void {
  const remedy = "Use --runtime-dir with a directory of your own";
  const link = lstatSync(directory);
  if (link.isSymbolicLink() && link.uid !== uid && link.uid !== ROOT_UID) {
    throw new UserError(
      `Cannot trust runtime directory ${directory}: it is a symbolic link of user ${link.uid}`,
      { remedy },
    );
  }
  const stat = statSync(directory);
  if (!stat.isDirectory()) {
    throw new UserError(`Cannot use ${directory}: it is not a directory`, { remedy });
  }
  if (stat.uid !== uid && stat.uid !== ROOT_UID) {
    throw new UserError(
      `Cannot trust runtime directory ${directory}: it belongs to user ${stat.uid}`,
      { remedy },
    );
  }
  if ((stat.mode & OTHERS_MAY_WRITE) !== 0) {
    throw new UserError(`Cannot trust runtime directory ${directory}: others may write to it`, {
      remedy: `${remedy}, or: chmod go-w ${directory}`,
    });
  }
}

export interface ServicePaths {
  readonly socket: string;
  readonly lock: string;
  /** Where a holder waits for the next baton (--survive). */
  readonly hold: string;
  notify(epoch: number): string;
}

export function servicePaths(directory: string, name: string): ServicePaths {
  return {
    socket: join(directory, `${name}.sock`),
    lock: join(directory, `${name}.lock`),
    hold: join(directory, `${name}.hold`),
    notify: (epoch) => join(directory, `${name}.notify.${epoch}`),
  };
}

/** @throws {UserError} when a socket of the service would not fit into sun_path, unix(7) */
export function checkPathLength(directory: string, paths: ServicePaths): void {
  const longest = paths.notify(LAST_EXPECTED_EPOCH);
  const length = new TextEncoder().encode(longest).length;
  if (length <= MAX_SOCKET_PATH_BYTES) return;
  throw new UserError(
    `Cannot use runtime directory ${directory}: the path of a socket in it would be ${length} ` +
      `bytes long, and ${MAX_SOCKET_PATH_BYTES} fit`,
    { remedy: "Use --runtime-dir with a shorter path, or a shorter --name" },
  );
}

/**
 * Makes a runtime directory again that has gone, as it was. Not what is above it: what made that
 * (a log-in, a mount) makes it again, except for the directory of the units, which any baton of root makes.
 * @throws {Error} when it cannot be made, or used
 */
export function remakeDirectory(directory: string, uid: number, mode: number): void {
  const above = dirname(directory);
  if (above === UNITS_DIRECTORY && !exists(above)) mkdirSync(above, { mode: DIRECTORY_MODE });
  if (!exists(directory)) {
    mkdirSync(directory, { mode });
    // Whatever the umask is.
    chmodSync(directory, mode);
  }
  checkDirectory(directory, uid);
}

/**
 * Where the control socket of a service is: in `directory`, or where its systemd unit keeps it
 * (RuntimeDirectory=baton/NAME, as `baton init systemd` writes it).
 */
export function serviceDirectory(directory: string, name: string): string {
  const ofUnit = join(UNITS_DIRECTORY, name);
  const isThere = (place: string) => servicesIn(place).includes(name);
  return !isThere(directory) && isThere(ofUnit) ? ofUnit : directory;
}

/** @returns names of services in `directory`, and of those with a systemd unit */
export function visibleServices(directory: string): string[] {
  const units = entriesOf(UNITS_DIRECTORY).filter((name) =>
    servicesIn(join(UNITS_DIRECTORY, name)).includes(name)
  );
  return [...new Set([...servicesIn(directory), ...units])].sort();
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** @returns those of `names` whose baton is alive: a killed one leaves its control socket behind */
export function runningServices(
  platform: Platform,
  names: readonly string[],
  directoryOfName: (name: string) => string,
): string[] {
  return names.filter((name) =>
    isListening(platform, servicePaths(directoryOfName(name), name).socket)
  );
}

/** @returns names of services that have a control socket in `directory` */
export function servicesIn(directory: string): string[] {
  return entriesOf(directory)
    .filter((file) => file.endsWith(".sock"))
    .map((file) => file.slice(0, -".sock".length))
    .sort();
}
