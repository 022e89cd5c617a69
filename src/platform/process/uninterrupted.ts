/** Steps that no signal may come between. */
import type { Processes } from "./processes.ts";

/** All signals that can be blocked, without the real-time ones. */
const SIGNALS = Array.from({ length: 31 }, (_, i) => i + 1).filter((n) => n !== 9 && n !== 19);

/** Runs `act` with signals blocked in this thread. */
export function uninterrupted<T>(
  processes: Pick<Processes, "blockSignals" | "unblockSignals">,
  act: () => T,
): T {
  processes.blockSignals(SIGNALS);
  try {
    return act();
  } finally {
    processes.unblockSignals(SIGNALS);
  }
}
