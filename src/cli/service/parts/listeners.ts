/** The table of the service's listeners, with what they depend on. */
import { processorCount } from "../../../platform/processors.ts";
import { PrivateAddresses } from "../../../steering/front/private_addresses.ts";
import { Listeners } from "../../../steering/listeners.ts";
import type { ServiceSetup } from "../service_setup.ts";

/** @param writeState called before the listeners change, so that a successor finds them */
export function makeListeners(
  { platform, config }: Pick<ServiceSetup, "platform" | "config">,
  writeState: () => void,
): Listeners {
  const { sockets, reactor, sockDiag, clock } = platform;
  const listeners = new Listeners(sockets, reactor, writeState);
  listeners.spread = {
    kind: config.spread,
    clock,
    processors: processorCount(),
    waitingIn: (listener) => sockDiag.waitingIn(listener),
  };
  const { front: [first] } = config;
  if (first !== undefined) {
    const groups = () => listeners.groups;
    listeners.privateAddresses = new PrivateAddresses(sockets, first.file, config.front, groups);
  }
  listeners.tagging.tagsInUse = () => sockDiag.tagsAt(new Set(listeners.ports));
  return listeners;
}
