/** Keep-alive connections of a worker that ends: whichever worker accepts next gets them (--keep-alive). */
import { ConnectionTable } from "../../migration/connection_table.ts";
import type { Migration } from "../../migration/migration.ts";
import { Mover } from "../../migration/mover.ts";
import { MOVE_MS } from "../stopping.ts";
import type { StopPolicy } from "../stop_policy.ts";
import type { WorkerParts } from "./worker_parts.ts";

interface MoveEnds {
  isBusy(inode: number): boolean;
  onDropped(): void;
  /** Everything is in flight: the worker may get its stop signal. */
  onCommitted(): void;
}

export function moveToOthers(
  { context, epoch, number, name, server }: WorkerParts,
  { inFlight }: Pick<Migration, "inFlight">,
  { drainStyle }: Pick<StopPolicy, "drainStyle">,
  { isBusy, onDropped, onCommitted }: MoveEnds,
): Mover {
  const { platform, listeners, config, log } = context;
  return new Mover(platform, {
    table: new ConnectionTable(platform, listeners, () => server.processes()),
    inFlight,
    hasSuccessor: ({ members, isReceiving }) =>
      members.some((each) => isReceiving(each) && (each.epoch !== epoch || each.worker !== number)),
    quietMs: config.quietMs,
    drainTimeMs: config.drainTimeMs,
    settleMs: drainStyle === "settle" ? MOVE_MS : Infinity,
    isBusy,
    onOutcome: (how) => {
      if (how === "dropped") onDropped();
    },
    onCommitted: ({ moved, finished, left }) => {
      log(
        `${name()}: keep-alive connections: ${moved} move, ${finished} have ended, ${left} stay`,
      );
      onCommitted();
    },
  });
}
