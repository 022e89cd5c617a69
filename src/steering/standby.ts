/**
 * Spares: in each group where a generation gets connections, one more listening socket that gets none. When the
 * service ends they wait in it for the next baton, which finds it in the service manager's store.
 */
import { ownSocketInode } from "../platform/process/proc.ts";
import { boundSocket } from "./bound_socket.ts";
import type { Group } from "./group.ts";
import type { Listeners } from "./listeners.ts";
import { NOBODY } from "./member.ts";
import { errorText } from "../platform/error.ts";

/**
 * Makes them where they are missing, after a switch. Those that a generation was given when it started are its own
 * from then on.
 * @returns what went wrong, for the log
 */
export function provideStandbySockets(listeners: Listeners, backlog: number): string[] {
  return listeners.groups.flatMap((group) => {
    try {
      if (isForsaken(group)) listeners.forget(group);
      else provide(group, backlog);
      return [];
    } catch (error) {
      const why = errorText(error);
      return [`clients of ${group.text} will be refused during a restart: no spare socket: ${why}`];
    }
  });
}

/** The baton before listened there, and the server of this one does not. */
function isForsaken({ members, isFrozen }: Group): boolean {
  return !isFrozen &&
    members.every(({ residence, epoch }) => residence === "spare" && epoch === NOBODY);
}

function provide(group: Group, backlog: number): void {
  const isManagers = group.members.some(({ residence }) =>
    residence === "grouped" || residence === "shared"
  );
  if (isManagers || group.isFrozen || group.receivingEpochs.size === 0) return;
  for (const member of group.members) {
    if (member.residence === "spare" && member.epoch !== NOBODY) member.residence = null;
  }
  if (group.freeResident !== undefined) return;
  const socket = boundSocket(group);
  try {
    const inode = ownSocketInode(socket.number);
    const own = { epoch: NOBODY, owner: 0, late: false, residence: "spare" } as const;
    group.takeMember(socket, { ...own, inode, backlog });
  } catch (error) {
    socket.close();
    throw error;
  }
}
