/** --order stop-first, when baton was killed between the end of one generation and the start of the next. */
import { SocketTable } from "../drain/connections.ts";
import type { RunningContext } from "../generation/context.ts";
import type { ServiceState } from "../lifecycle/state.ts";
import { errorText } from "../platform/error.ts";
import { unreadDatagrams } from "../platform/network/udp_table.ts";
import { holdConnections, vacate } from "../steering/held_queues.ts";

/**
 * Completes a hold, so that new connections wait for the generation after the one that stops: the last step of that may
 * not have been made.
 */
export function resumeHold(
  { listeners, platform, config, logError }: RunningContext,
  { held, orphanedListeners }: ServiceState,
): void {
  try {
    if (held !== null) holdConnections(listeners, held, config.backlog);
    if (orphanedListeners === null) return;
    const table = new SocketTable(platform, listeners);
    vacate(
      listeners,
      orphanedListeners,
      (inode) => table.backlogOf(inode) + unreadDatagrams(inode),
    );
  } catch (error) {
    logError(`new connections may be refused: ${errorText(error)}`);
  }
}
