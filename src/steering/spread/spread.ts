/** `--spread`: how new connections are spread over the members that receive. */
import type { Clock } from "../../platform/clock.ts";
import type { Fd } from "../../platform/fd.ts";
import type { Draw } from "../bpf_program.ts";

export interface Spread {
  readonly kind: "random" | "least" | "cpu";
  readonly clock: Clock;
  /** Processors that there are for the workers. (Packets may come in on others of the machine, too.) */
  readonly processors: number;
  /** Connections that wait to be accepted at a listener. @throws {SystemCallError} */
  readonly waitingIn: (listener: Fd) => number;
}

export function drawOf(spread: Spread | null): Draw {
  return spread?.kind === "cpu" ? { processors: spread.processors } : "random";
}
