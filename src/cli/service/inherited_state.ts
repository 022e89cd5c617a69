/**
 * What the baton before has left for this one, wherever it is: in this very process (in place), with a holder
 * (`--survive`), or in the service manager's store.
 *
 * A service that was killed is gone on with. Of one that was stopped, or that had not begun to serve, only the
 * spare sockets are left, in which clients wait: they become listeners of the first generation here.
 */
import type { Resumption } from "../../succession/state/resumption.ts";
import type { InheritedSocket } from "../../handoff/activated_sockets.ts";
import type { Fd } from "../../platform/fd.ts";
import type { Platform } from "../../platform/platform.ts";
import { ownSocketInode } from "../../platform/process/proc.ts";
import { storedListener } from "../../systemd/activation.ts";
import { understandStored } from "../../systemd/fd_store.ts";
import {
  claimRecoveredState,
  type RecoveredState,
  storedState,
  usableResumption,
} from "../../succession/state/recovered_state.ts";
import { memberName, type ResumeState } from "../../succession/state/resume_state.ts";

export interface InheritedState {
  /** Somebody has to be told when it is taken. */
  readonly recovered: RecoveredState | null;
  /** The service to go on with. */
  readonly resumption: Resumption | null;
  readonly standbySockets: readonly InheritedSocket[];
  /** Of the sockets that came with the start, those that the service does not have yet. */
  readonly activated: readonly InheritedSocket[];
  /** Names of what the service manager may have in its store. */
  readonly storedNames: readonly string[];
}

interface InheritedStateOptions {
  readonly inPlace: Resumption | null;
  /** What the service manager listens on for us. */
  readonly activated: readonly InheritedSocket[];
  /** What came from the service manager's store. */
  readonly stored: ReadonlyMap<string, Fd>;
  /** Where a holder would be; null: the service's name is not ours. */
  readonly path: string | null;
}

/** @throws {Error} when something is there that cannot be understood */
export function findInheritedState(
  platform: Platform,
  options: InheritedStateOptions,
): InheritedState {
  const { inPlace, activated, stored, path } = options;
  const found = inPlace?.kept.names ?? [...stored.keys()];
  if (inPlace !== null) {
    const heritage = path === null ? null : claimRecoveredState(platform, path);
    // All of it came with the exec; the holder is only to be told so.
    heritage?.resumption.kept.close();
    return {
      recovered: heritage,
      resumption: inPlace,
      standbySockets: [],
      activated: activated,
      storedNames: found,
    };
  }
  const { fds, state } = understandStored(stored);
  const heritage = state !== null
    ? storedState(fds, state)
    : path === null
    ? null
    : claimRecoveredState(platform, path);
  const before = heritage?.resumption.state ?? null;
  const spares = before?.service.served === true ? [] : takeSpares(platform, fds, before);
  const resumption = usableResumption(platform, heritage);
  const arrived = resumption === null ? activated : withoutMembers(activated, resumption.state);
  return {
    recovered: heritage,
    resumption,
    standbySockets: spares,
    activated: arrived,
    storedNames: found,
  };
}

/** A service that is gone on with has them as members, in the kernel's order; closes the duplicates. */
function withoutMembers(
  sockets: readonly InheritedSocket[],
  { groups }: ResumeState,
): InheritedSocket[] {
  const members = new Set(groups.flatMap(({ members }) => members.map(({ inode }) => inode)));
  const isMember = ({ fd }: InheritedSocket) => members.has(ownSocketInode(fd.number));
  const [known, others] = [sockets.filter(isMember), sockets.filter((one) => !isMember(one))];
  for (const { fd } of known) fd.close();
  return others;
}

/** Closes what is none. */
function takeSpares(
  platform: Platform,
  fds: ReadonlyMap<string, Fd>,
  state: ResumeState | null,
): InheritedSocket[] {
  const isSpare = (name: string) => state === null || sparesOf(state).includes(name);
  const spares: InheritedSocket[] = [];
  for (const [name, fd] of fds) {
    if (!isSpare(name)) continue;
    // What else is in the store is not ours any more: its names are dropped with the first record.
    const socket = storedListener(platform, name, platform.descriptors.duplicate(fd));
    if (socket === null) continue;
    const address = { ...socket.address, v6only: socket.v6only, boundInterface: 0 };
    spares.push({ fd: socket.fd, origin: "standby", address });
  }
  for (const fd of fds.values()) fd.close();
  return spares;
}

function sparesOf({ groups }: ResumeState): string[] {
  const members = groups.flatMap(({ members }) => members);
  return members.filter(({ origin }) => origin === "standby")
    .map(({ inode }) => memberName(inode));
}
