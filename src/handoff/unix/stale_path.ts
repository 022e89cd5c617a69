/** What is at a path that the first generation is about to bind. */
import { orNull, SystemCallError } from "../../platform/error.ts";
import type { Directory } from "../../platform/files/directory.ts";
import { C } from "../../platform/libc/constants.ts";
import type { Sockets } from "../../platform/network/sockets.ts";
import { processName } from "../../platform/process/proc.ts";
import type { UnixAddress, UnixNode } from "../../steering/member.ts";
import { hiddenName, isHiddenName } from "../../steering/unix/hidden_name.ts";
import type { PathMembers } from "../../steering/unix/path_members.ts";

type Occupant =
  | { readonly kind: "nothing" }
  /** A node that a server has left: bind(2) would fail, and no process listens there. */
  | { readonly kind: "stale" }
  /** Another file, or one that baton cannot judge: bind(2) says what follows. */
  | { readonly kind: "unknown" }
  | { readonly kind: "alive"; readonly holder: string };

type OccupiedName = Pick<UnixAddress, "name" | "type">;

/** @returns what is at the path; to find out it connects, and hangs up at once */
export function occupantOf(
  sockets: Sockets,
  directory: Directory,
  { name, type }: OccupiedName,
): Occupant {
  const node = directory.stat(name);
  if (node === null) return { kind: "nothing" };
  if (!node.isSocket) return { kind: "unknown" };
  using socket = type === "packets"
    ? sockets.packets({ nonblocking: true })
    : sockets.stream("unix", { nonblocking: true });
  try {
    sockets.connectUnix(socket, directory.pathTo(name));
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    if (error.errno === C.ECONNREFUSED) return { kind: "stale" };
    // EAGAIN: a server listens there, and its queue is full.
    return error.errno === C.EAGAIN
      ? { kind: "alive", holder: "a process that does not accept" }
      : { kind: "unknown" };
  }
  const { pid, uid } = sockets.peerCredentials(socket);
  const command = processName(pid);
  const holder = command === null ? `a process of user ${uid}` : `${command} (pid ${pid})`;
  return { kind: "alive", holder };
}

/** Removes nodes that a killed baton has left beside its public path. Those at which a process answers stay. */
export function removeLeftNodes(
  sockets: Sockets,
  directory: Directory,
  at: OccupiedName,
  isKept: (name: string) => boolean = () => false,
): void {
  for (const name of directory.names.filter((each) => isHiddenName(each, at.name))) {
    if (isKept(name) || occupantOf(sockets, directory, { ...at, name }).kind !== "stale") continue;
    orNull(() => directory.remove(name));
  }
}

/**
 * As `removeLeftNodes()`, for the next baton of a service that serves. What a generation has bound is on record once it
 * listens there, and a generation that is gone is off the record before its nodes are.
 * @param alive epochs of generations that may have bound one
 */
export function removeUnknownNodes(
  sockets: Sockets,
  path: PathMembers,
  alive: readonly number[],
): void {
  const { directory, address } = path;
  const known = new Set(ownNodes(path).map(({ key }) => key));
  const labeled = new Set(alive.map((epoch) => hiddenName(address.name, `${epoch}`)));
  const isKnown = (name: string) => known.has(directory.stat(name)?.key ?? "");
  removeLeftNodes(sockets, directory, address, (name) => labeled.has(name) || isKnown(name));
}

function ownNodes(path: PathMembers): UnixNode[] {
  return [...path.nodesOf(), ...path.all.flatMap(({ node }) => node ?? [])];
}

/**
 * @returns which process answers at the public path of a service in place of its own sockets; null: none does, or the
 * sockets are its own
 */
export function strangerAt(sockets: Sockets, path: PathMembers): string | null {
  const { directory, address } = path;
  const key = directory.stat(address.name)?.key;
  if (key === undefined || ownNodes(path).some((node) => node.key === key)) return null;
  const occupant = occupantOf(sockets, directory, address);
  return occupant.kind === "alive" ? occupant.holder : null;
}

export function strangerText(address: string, holder: string): string {
  return `another program has put its own socket at ${address} since, ${holder}: stop that, and remove its socket`;
}
