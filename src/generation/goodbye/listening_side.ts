/** Which processes of a worker listen, and where. */
import type { CallPlace } from "../../config/values/drain_call_spec.ts";
import type { Gate } from "../gate.ts";

export interface ListeningSide {
  /** Processes that listen, each once. */
  owners(): readonly number[];
  listensAt(place: CallPlace): boolean;
}

export function sideOf(gate: Pick<Gate, "of" | "listening">): ListeningSide {
  const { epoch, worker } = gate.of;
  const members = () => gate.listening.flatMap((group) => group.membersOf(epoch, worker));
  return {
    owners: () => [...new Set(members().map(({ owner }) => owner))].filter((owner) => owner !== 0),
    listensAt: (place) =>
      gate.listening.some(({ tcp, text }) =>
        "unix" in place ? text === `unix:${place.unix}` : tcp?.port === place.port
      ),
  };
}
