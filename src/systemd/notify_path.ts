/**
 * Chooses a path for a NOTIFY_SOCKET: in the runtime directory, or elsewhere if that cannot be used, so that a start
 * never fails because of it.
 *
 * A server started by root may become another user before it sends READY=1, and for some (unbound) it is fatal if
 * they cannot send it: so a runtime directory that others may not enter is not used then. Abstract names come last:
 * not every library understands "@" (the gem sd_notify), and they are limited to one network namespace.
 */
import { chmodSync, lstatSync, mkdirSync, rmdirSync, rmSync } from "node:fs";
import { SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { statOf } from "../platform/files/path.ts";
import { pathKey } from "../platform/files/path_key.ts";
import type { Platform } from "../platform/platform.ts";
import { ROOT_UID } from "../platform/process/processes.ts";

/** Mode of the socket: the server may run as another user; each message carries its sender's credentials. */
const SOCKET_MODE = 0o666;
/** Mode of its directory: other users may send to a path that they know, and not list the directory. */
const DIRECTORY_MODE = 0o711;
const OTHERS_MAY_ENTER = 0o001;
const OTHERS_MAY_WRITE = 0o022;
const PREFIX = "baton-notify-";

/** @returns `notice`: why it is not at the path that was asked for @throws {SystemCallError} when no path can be used */
export function bindNotifySocket(platform: Platform, asked: string) {
  if (asked.startsWith("@")) return { socket: bindAt(platform, asked), path: asked, notice: null };
  const uid = platform.processes.userId();
  const [directory, name] = split(asked);
  const canBeReached = uid !== ROOT_UID || isOpenToOthers(directory);
  const key = pathKey(directory);
  const others = otherBases(uid).map((base) => `${base}/${PREFIX}${uid}-${key}/${name}`);
  const abstract = abstractNotifyName(platform, asked);
  let problem: string | null = null;
  const bind = (path: string) => {
    const socket = bindAt(platform, path);
    return { socket, path, notice: problem && `${problem}: NOTIFY_SOCKET is ${path}` };
  };
  for (const path of canBeReached ? [asked, ...others] : [...others, asked]) {
    try {
      if (path === asked) checkTrust(directory, uid);
      else makeOwnDirectory(split(path)[0], uid);
      return bind(path);
    } catch (error) {
      const isAboutPath = error instanceof SystemCallError || isFileError(error) ||
        error instanceof RangeError || error instanceof UnusablePathError;
      if (!isAboutPath) throw error;
      if (path === asked) problem = error.message;
    }
  }
  return bind(abstract);
}

/** A name for a server with another root directory: no path leads out of that. */
export function abstractNotifyName(platform: Platform, asked: string): string {
  const [directory, name] = split(asked);
  return `@${PREFIX}${platform.processes.userId()}-${pathKey(directory)}-${name}`.slice(0, 100);
}

/** Binds `path`, over what is left there. @throws {SystemCallError} */
export function bindAt(platform: Platform, path: string): Fd {
  const isFile = !path.startsWith("@");
  if (isFile) rmSync(path, { force: true });
  const socket = platform.sockets.datagram(path);
  try {
    if (isFile) chmodSync(path, SOCKET_MODE);
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** Removes a socket, and its directory, too, if baton made that and it is empty now. */
export function removeNotifySocket(path: string): void {
  rmSync(path, { force: true });
  const [directory] = split(path);
  if (!split(directory)[1].startsWith(PREFIX)) return;
  try {
    rmdirSync(directory);
  } catch {
    // The socket of another generation is there.
  }
}

/** Whether any user may reach what is in `directory`: all directories above count. */
export function isOpenToOthers(directory: string): boolean {
  for (let at = directory; at !== ""; at = split(at)[0]) {
    const stat = statOf(at);
    // A directory that is missing is not judged here: it fails when it is used.
    if (stat !== null && (stat.mode & OTHERS_MAY_ENTER) === 0) return false;
  }
  return true;
}

class UnusablePathError extends Error {}

/** Directories that every user may enter, and that no log-out removes. */
function otherBases(uid: number): readonly string[] {
  return uid === ROOT_UID ? ["/run", "/tmp", "/dev/shm"] : ["/tmp", "/dev/shm"];
}

/** @throws {UnusablePathError} when another user may have replaced the directory */
function checkTrust(directory: string, uid: number): void {
  const stat = statOf(directory);
  if (stat === null) throw new UnusablePathError(`${directory} is gone, or may not be seen`);
  if ((stat.uid === uid || stat.uid === ROOT_UID) && (stat.mode & OTHERS_MAY_WRITE) === 0) return;
  throw new UnusablePathError(`Cannot trust ${directory} (user ${stat.uid})`);
}

/** @throws {UnusablePathError} when another user has taken its name */
function makeOwnDirectory(directory: string, uid: number): void {
  try {
    mkdirSync(directory, { mode: DIRECTORY_MODE });
    chmodSync(directory, DIRECTORY_MODE);
  } catch (error) {
    if ((error as { code?: string }).code !== "EEXIST") throw error;
    const stat = lstatSync(directory);
    const isOurs = stat.isDirectory() && stat.uid === uid && (stat.mode & OTHERS_MAY_WRITE) === 0;
    if (!isOurs) throw new UnusablePathError(`Cannot use ${directory}: it is another user's`);
  }
}

function isFileError(error: unknown): error is Error {
  return error instanceof Error && typeof (error as { code?: unknown }).code === "string";
}

/** @returns the directory, "" for "/", and the name in it */
function split(path: string): [directory: string, name: string] {
  const at = path.lastIndexOf("/");
  return [path.slice(0, Math.max(at, 0)), path.slice(at + 1)];
}
