/**
 * Lets go of UDP sockets where the server speaks QUIC: a connection of QUIC is known to one generation only, and nothing in
 * its packets tells baton which. Each serving generation is asked once at each address.
 */
import type { RunningContext } from "../generation/context.ts";
import { QUIC_REMEDY } from "../handoff/datagrams/left_datagrams.ts";
import { askForQuic } from "../handoff/datagrams/quic_probe.ts";
import { type ServiceState, servingOf } from "../lifecycle/state.ts";
import type { Logger } from "../log/logger.ts";
import { isDatagram, isUdp } from "../steering/group_address.ts";
import type { Group } from "../steering/group.ts";

export class QuicWatch {
  #epoch: number | null = null;
  readonly #asked = new Set<string>();

  constructor(
    readonly context: Pick<RunningContext, "platform" | "listeners" | "adopter">,
    readonly logger: Logger,
  ) {}

  /** Called after each step: the server may open its listeners in any order. */
  update(state: ServiceState): void {
    const { listeners, platform } = this.context;
    const epoch = servingOf(state)?.epoch ?? null;
    if (epoch === null || !listeners.groups.some(isDatagram)) return;
    if (epoch !== this.#epoch) this.#asked.clear();
    this.#epoch = epoch;
    for (const group of listeners.groupsOf(epoch)) {
      // Only a port where the service listens with TCP, too, is asked: HTTP/3 stands beside HTTP over TCP, which tells
      // clients of it.
      const { address, text, isFrozen } = group;
      if (!isUdp(address)) continue;
      if (!listeners.ports.includes(address.port) || isFrozen || this.#asked.has(text)) continue;
      this.#asked.add(text);
      askForQuic(platform, address, () => this.#letGo(group));
    }
  }

  #letGo(group: Group): void {
    const { listeners, adopter } = this.context;
    adopter.leftDatagrams.quic.add(group.text);
    if (listeners.find(group.address) === group && !group.isFrozen) listeners.release(group);
    this.logger.warn(
      `the server speaks QUIC at ${group.text}, which is not handed over: a second copy can bind ` +
        `there only if it sets SO_REUSEPORT, and then connections break: ${QUIC_REMEDY}`,
    );
  }
}
