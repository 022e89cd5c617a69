/** Effects of a reload that stops the old generation first: the queues in which new connections wait meanwhile. */
import { SocketTable } from "../drain/connections.ts";
import { EXIT_SYSTEM } from "../lifecycle/status.ts";
import type { EffectHandlers } from "../lifecycle/vocabulary.ts";
import { errorText } from "../platform/error.ts";
import { unreadDatagrams } from "../platform/network/udp_table.ts";
import { holdConnections, releaseConnections, vacate } from "../steering/held_queues.ts";
import type { SupervisorParts } from "./parts.ts";

export function stopFirstEffects(parts: SupervisorParts) {
  const { options: { logger }, context: { listeners, platform, config, dispatch } } = parts;
  return {
    hold: ({ epoch, candidate }) => {
      try {
        parts.heldClients.begin();
        holdConnections(listeners, epoch, config.backlog, candidate);
        logger.info(
          `generation ${epoch} makes room for generation ${candidate}: new connections wait`,
        );
      } catch (error) {
        parts.heldClients.end();
        const reason = `new connections cannot be made to wait: ${errorText(error)}`;
        dispatch({ kind: "failed", epoch: candidate, reason, status: EXIT_SYSTEM });
      }
    },
    vacate: ({ epoch }) => {
      logger.info(`generation ${epoch} has ended: its connections wait`);
      const table = new SocketTable(platform, listeners);
      vacate(listeners, epoch, (inode) => table.backlogOf(inode) + unreadDatagrams(inode));
    },
    release: ({ epoch }) => {
      parts.heldClients.end();
      releaseConnections(listeners, epoch);
      listeners.standBy();
    },
  } satisfies Partial<EffectHandlers>;
}
