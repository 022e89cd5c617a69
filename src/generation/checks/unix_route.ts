/** How a check reaches one generation at a Unix socket: by the name that its node has now, which need not be the public one. */
import { statOf } from "../../platform/files/path.ts";
import type { Platform } from "../../platform/platform.ts";
import type { Group } from "../../steering/group.ts";
import type { Listeners } from "../../steering/listeners.ts";
import { concernsWorker } from "../../steering/worker_members.ts";
import { mustIdentify, type ProbeRoute } from "./check_route.ts";

/** @param path that of clients; null: the first Unix socket of the service @returns null: it does not listen there yet */
export function routeByPath(
  { sockets }: Platform,
  listeners: Pick<Listeners, "groups" | "isOfService">,
  { epoch, worker, path }: { epoch: number; worker: number; path: string | null },
): ProbeRoute | null {
  const groups = listeners.groups.filter((group) =>
    group.address.family === "unix" && (path === null || isAtPath(group, path))
  );
  const isMeant = (each: Group) => listeners.isOfService(each) && concernsWorker(each, worker);
  const group = groups.find(isMeant) ??
    groups.find((each) => each.membersOf(epoch, worker).length > 0);
  if (group === undefined || group.usableMembers(epoch, worker).length === 0) return null;
  const isPackets = group.address.family === "unix" && group.address.type === "packets";
  return {
    text: group.text,
    mustIdentify: mustIdentify(group, epoch),
    isSteeredElsewhere: false,
    stream: () => isPackets ? sockets.packets() : sockets.stream("unix"),
    aim: () => {},
    connect: (socket) => sockets.connectUnix(socket, pathTo(group, epoch, worker)),
    release: () => {},
    mutex: group.probes,
  };
}

/** Where the socket is now: a switch, or the server, may have renamed it. */
function pathTo(group: Group, epoch: number, worker: number): string {
  const used = group.usableMembers(epoch, worker).at(-1);
  // Where all generations have one socket, the first one knows its node.
  const node = used?.node ?? group.members.find(({ inode }) => inode === used?.inode)?.node;
  const name = node?.name ?? null;
  if (name === null || group.path === null) {
    throw new Error(`it does not listen at ${group.text} any more`);
  }
  return group.path.directory.pathTo(name);
}

/** A path may lead there by other links. */
export function isAtPath({ address }: Group, path: string): boolean {
  if (address.family !== "unix") return false;
  const slash = path.lastIndexOf("/");
  if (path.slice(slash + 1) !== address.name) return false;
  const found = statOf(path.slice(0, slash + 1));
  return found !== null && `${found.dev}:${found.ino}` === address.directoryKey;
}
