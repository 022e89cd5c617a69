/** What readers are shown of a running service. */
import type { ServiceState } from "../../lifecycle/state.ts";
import type { Snapshot } from "../../report/snapshot.ts";
import type { Summary } from "../../report/summary.ts";
import type { SupervisorParts } from "../parts.ts";
import { ConnectionLook } from "./connection_look.ts";
import { takeSnapshot } from "./take_snapshot.ts";
import { lookAtConnections, takeSummary } from "./take_summary.ts";

export class Views {
  readonly #look: ConnectionLook;

  constructor(readonly parts: SupervisorParts) {
    const { platform: { clock }, log } = parts.context;
    this.#look = new ConnectionLook(clock, () => lookAtConnections(parts), log);
  }

  /** All that is known, at this moment. */
  snapshot(state: ServiceState): Snapshot {
    return takeSnapshot(this.parts, state);
  }

  /** What changes all the time, for readers that ask again and again. */
  summary(state: ServiceState): Summary {
    return takeSummary(this.parts, state, this.#look.read());
  }
}
