/** Addresses of which no share can be given away. Pure. */
import type { Listeners } from "../listeners.ts";

/**
 * @returns the addresses where no part of the new connections can be given to a candidate, since one path leads to one
 * generation. Empty if the service is reached by TCP, too, where a part can: its paths (a control socket) then switch
 * when the candidate has got all the rest.
 */
export function undividedAddresses(listeners: Listeners): string[] {
  const ofService = listeners.groups.filter((group) => listeners.isOfService(group));
  const paths = ofService.filter(({ path }) => path !== null);
  return paths.length < ofService.length ? [] : paths.map(({ text }) => text);
}
