/**
 * Standby sockets: in each group where a generation gets connections, one more listening socket that gets none. When
 * the service ends, connections wait in it for the next baton, which finds it in the service manager's store.
 */
import { boundSocket } from "./bound_socket.ts";
import type { Group } from "./group.ts";
import { isDatagram } from "./group_address.ts";
import type { Listeners } from "./listeners.ts";
import { NO_GENERATION } from "./member.ts";
import { errorText } from "../platform/error.ts";

/**
 * Makes missing standby sockets after a switch. One that a generation was given at its start belongs to that generation
 * now.
 * @returns warnings for the log
 */
export function provideStandbySockets(listeners: Listeners, backlog: number): string[] {
  return listeners.groups.flatMap((group) => {
    try {
      if (isForsaken(group)) listeners.closeGroup(group);
      else provide(group, backlog);
      return [];
    } catch (error) {
      const why = errorText(error);
      return [
        `clients of ${group.text} will be refused during a restart: no standby socket: ${why}`,
      ];
    }
  });
}

/** Whether the previous instance listened there, and this one's server does not. */
function isForsaken({ members, isFrozen }: Group): boolean {
  return !isFrozen &&
    members.every(({ origin, epoch }) => origin === "standby" && epoch === NO_GENERATION);
}

function provide(group: Group, backlog: number): void {
  const isManagers = group.members.some(({ origin }) =>
    origin === "grouped" || origin === "shared"
  );
  // Behind a front it would have a private address, which the next baton could not tell from a public one.
  const isNone = isManagers || isDatagram(group) || group.front !== null;
  if (isNone || group.isFrozen || group.receivingEpochs.size === 0) {
    return;
  }
  for (const member of group.members) {
    if (member.origin === "standby" && member.epoch !== NO_GENERATION) member.origin = null;
  }
  if (group.unassignedSocket !== undefined) return;
  const own = { epoch: NO_GENERATION, owner: 0, late: false, origin: "standby" } as const;
  group.takeMember(boundSocket(group), { ...own, backlog });
}
