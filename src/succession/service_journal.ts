/** The journal of a whole service. */
import type { ServiceState } from "../lifecycle/state.ts";
import { packService, type ServiceParts } from "./pack_service.ts";
import { Journal } from "./state/journal.ts";

export function journalOf(parts: ServiceParts, service: () => ServiceState): Journal {
  const { stateWriter, logger } = parts.options;
  return new Journal({ stateWriter, pack: () => packService(parts, service()), logger });
}
