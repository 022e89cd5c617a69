/** What is at a path that the first generation is about to bind. */
import { orNull, SystemCallError } from "../../platform/error.ts";
import type { Directory } from "../../platform/files/directory.ts";
import { C } from "../../platform/libc/constants.ts";
import type { Sockets } from "../../platform/network/sockets.ts";
import { processName } from "../../platform/process/proc.ts";
import type { UnixAddress } from "../../steering/member.ts";
import { isHiddenName } from "../../steering/unix/hidden_name.ts";
import type { PathMembers } from "../../steering/unix/path_members.ts";

type Occupant =
  | { readonly kind: "nothing" }
  /** Left by a server that did not remove it: bind(2) would fail, and no process listens there. */
  | { readonly kind: "stale" }
  /** Another file, or we cannot tell: bind(2) says what follows. */
  | { readonly kind: "unknown" }
  | { readonly kind: "alive"; readonly holder: string };

type OccupiedName = Pick<UnixAddress, "name" | "type">;

/** Connects, and hangs up at once. */
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
    // Its queue is full.
    return error.errno === C.EAGAIN
      ? { kind: "alive", holder: "a process that does not accept" }
      : { kind: "unknown" };
  }
  const { pid, uid } = sockets.peerCredentials(socket);
  const command = processName(pid);
  const holder = command === null ? `a process of user ${uid}` : `${command} (pid ${pid})`;
  return { kind: "alive", holder };
}

/** What a baton that was killed has left beside its public path. Those at which a process answers stay. */
export function removeLeftNodes(sockets: Sockets, directory: Directory, at: OccupiedName): void {
  for (const name of directory.names.filter((each) => isHiddenName(each, at.name))) {
    if (occupantOf(sockets, directory, { ...at, name }).kind !== "stale") continue;
    orNull(() => directory.remove(name));
  }
}

/** Who answers at the public path of a service in place of its own sockets; null: it is theirs, or no process answers. */
export function strangerAt(sockets: Sockets, path: PathMembers): string | null {
  const { directory, address } = path;
  const key = directory.stat(address.name)?.key;
  const own = [...path.nodesOf(), ...path.all.flatMap(({ node }) => node ?? [])];
  if (key === undefined || own.some((node) => node.key === key)) return null;
  const occupant = occupantOf(sockets, directory, address);
  return occupant.kind === "alive" ? occupant.holder : null;
}

export function strangerText(address: string, holder: string): string {
  return `another program has put its own socket at ${address} since, ${holder}: stop that, and remove its socket`;
}
