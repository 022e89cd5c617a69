/**
 * `--listen unix:/PATH`: makes a socket for each generation, with a node of its own beside the path. Mode and owner are
 * right before any client can see it: it gets the public name afterwards.
 */
import { UserError } from "../config/values/errors.ts";
import type { UnixListenSpec } from "../config/values/unix_listen_spec.ts";
import type { SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { accountId } from "../platform/files/accounts.ts";
import { Directory } from "../platform/files/directory.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import { fileIdentityOf } from "../platform/process/file_identity.ts";
import type { Group } from "../steering/group.ts";
import type { UnixAddress } from "../steering/member.ts";
import { occupantOf, removeLeftNodes, strangerAt, strangerText } from "./unix/stale_path.ts";

/** Of a node: no socket can be executed. */
const ALL_BITS = 0o777;

function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

/** @throws {SystemCallError} when there is no such directory */
export function pathAddress({ libc }: Platform, path: string): UnixAddress {
  using directory = Directory.open(libc, directoryOf(path));
  return {
    family: "unix",
    type: "stream",
    directory: directory.path,
    directoryKey: directory.key,
    name: path.slice(path.lastIndexOf("/") + 1),
  };
}

/**
 * @returns why what is at the path must stay; null: nothing is there, or a node of ours, or one that a killed service
 * has left. Other nodes that it has left beside the path are removed.
 */
export function obstacleAt({ sockets }: Platform, group: Group): string | null {
  const { path } = group;
  const { directory, address } = path!;
  if (group.members.some(({ dead }) => !dead)) {
    const stranger = strangerAt(sockets, path!);
    return stranger === null ? null : strangerText(group.text, stranger);
  }
  const occupant = occupantOf(sockets, directory, address);
  if (occupant.kind === "alive") {
    return `it is held by ${occupant.holder}: stop that, or use another path`;
  }
  if (occupant.kind !== "unknown") {
    removeLeftNodes(sockets, directory, address);
    return null;
  }
  return directory.stat(address.name)?.isSocket
    ? "a socket is there that baton may not connect to, or that is not a stream: remove it"
    : "a file is there that is not a socket: remove it, or use another path";
}

/**
 * A socket of a new generation, bound to a hidden name beside the path.
 * @throws {SystemCallError} @throws {UserError} for an unknown user or group
 */
export function boundAtPath(
  { sockets }: Platform,
  group: Group,
  spec: UnixListenSpec,
  epoch: number,
): Fd {
  const own = fileIdentityOf("self");
  const owner = {
    uid: idOf(spec, "user") ?? own.uid,
    gid: idOf(spec, "group") ?? own.gid,
    umask: spec.mode === null ? own.umask : ALL_BITS & ~spec.mode,
  };
  const socket = sockets.stream("unix");
  try {
    const node = group.path!.bindHidden(
      socket,
      { epoch, label: String(epoch), asked: spec.path },
      owner,
    );
    node.isBatons = true;
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  }
}

/** Why the path cannot be bound, for people. */
export function pathReason({ path }: UnixListenSpec, { errno, code }: SystemCallError): string {
  const directory = directoryOf(path);
  if (errno === C.ENOENT) return `there is no directory ${directory}: make it first`;
  if (errno === C.ENOTDIR) return `${directory} is not a directory`;
  if (errno === C.EACCES) {
    return `baton may not make a node in ${directory}, which it needs at each reload`;
  }
  if (errno === C.EPERM) {
    return "only root can give it to another user, or to a group that baton is not in";
  }
  return code;
}

function idOf(spec: UnixListenSpec, kind: "user" | "group"): number | null {
  const name = spec[kind];
  if (name === null) return null;
  const id = accountId(kind, name);
  if (id !== null) return id;
  throw new UserError(
    `Cannot listen at ${spec.text}: there is no ${kind} ${JSON.stringify(name)}`,
    {
      remedy: `Use a name in /etc/${kind === "user" ? "passwd" : "group"}, or the number`,
    },
  );
}
