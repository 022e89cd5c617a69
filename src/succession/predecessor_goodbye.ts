/**
 * Drain calls to the generation of another baton, where only this one can lead a connection to it: at ports that both
 * generations have, since this baton steers now. All other calls its own baton makes.
 */
import type { RunningContext } from "../generation/context.ts";
import { Farewell } from "../generation/goodbye/farewell.ts";
import { Goodbye } from "../generation/goodbye/goodbye.ts";
import { isRunning } from "../platform/process/proc.ts";

/** @param pid id of its leading process */
export function sayGoodbyeTo(context: RunningContext, epoch: number, pid: number | null): void {
  const { listeners } = context;
  const members = listeners.groupsOf(epoch).flatMap((group) =>
    group.tcp === null ? [] : group.membersOf(epoch)
  );
  const sayers = [...new Set(members.map(({ worker }) => worker))].map((number) => {
    const owners = new Set(
      members.filter(({ worker, owner }) => worker === number && owner !== 0)
        .map(({ owner }) => owner),
    );
    const [leader = pid ?? 0] = owners;
    const goodbye = new Goodbye({
      context,
      epoch,
      number,
      name: () => `generation ${epoch} of the old baton`,
      server: { isStarted: true, pid: leader, exitStatus: null },
      side: {
        owners: () => [...owners].filter((owner) => isRunning(owner)),
        listensAt: () => true,
      },
    }, { addReady: () => {}, onChange: () => {} });
    goodbye.isOnlySteered = true;
    return { goodbye };
  });
  new Farewell().say(sayers, () => {});
}
