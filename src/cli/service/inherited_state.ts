/**
 * What the previous instance left: in this process (in place), with its fd store process (`--survive`), or in the
 * service manager's fd store.
 *
 * A killed service is resumed. A service that was stopped, or that did not serve yet, leaves only its standby sockets,
 * in which clients wait: they become listeners of the first generation.
 */
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
import type { ResumeState } from "../../succession/state/resume_state.ts";
import { descriptorName, type Resumption } from "../../succession/state/resumption.ts";
import type { Origin } from "./origin.ts";
import type { ServiceSetup } from "./service_setup.ts";

export interface InheritedState {
  /** What the fd store process has given; acknowledged once this instance has its own copy. */
  readonly recovered: RecoveredState | null;
  /** The service to resume. */
  readonly resumption: Resumption | null;
  readonly standbySockets: readonly InheritedSocket[];
  /** Sockets of the service manager that the resumed service does not have yet. */
  readonly activated: readonly InheritedSocket[];
  /** Names that the service manager's fd store may have. */
  readonly storedNames: readonly string[];
}

/** @throws {Error} when what was left is malformed */
export function findInheritedState(
  { platform, paths, activation: { sockets: activated, stored } }: ServiceSetup,
  origin: Origin,
  ownsName: boolean,
): InheritedState {
  // The fd store process answers the owner of the name only.
  const claim = () => ownsName ? claimRecoveredState(platform, paths.hold) : null;
  if (origin.kind === "in-place") {
    const { resumption } = origin;
    const recovered = claim();
    // Everything came with the exec; the fd store process only waits for the acknowledgment.
    recovered?.resumption.kept.close();
    const storedNames = [...resumption.kept.keys()];
    return { recovered, resumption, standbySockets: [], activated, storedNames };
  }
  const storedNames = [...stored.keys()];
  const { fds, state } = understandStored(stored);
  const recovered = state === null ? claim() : storedState(fds, state);
  const before = recovered?.resumption.state ?? null;
  const served = before?.service.served === true;
  const standbySockets = served ? [] : takeStandbySockets(platform, fds, before);
  const resumption = recovered && usableResumption(platform, recovered);
  const remaining = resumption === null ? activated : withoutMembers(activated, resumption.state);
  return { recovered, resumption, standbySockets, activated: remaining, storedNames };
}

/** A resumed service has its sockets as members, in the kernel's order: closes the duplicates. */
function withoutMembers(
  sockets: readonly InheritedSocket[],
  { groups }: ResumeState,
): InheritedSocket[] {
  const members = new Set(groups.flatMap(({ members }) => members.map(({ inode }) => inode)));
  return sockets.filter(({ fd }) => {
    const isMember = members.has(ownSocketInode(fd.number));
    if (isMember) fd.close();
    return !isMember;
  });
}

/** Closes all other descriptors. */
function takeStandbySockets(
  platform: Platform,
  fds: ReadonlyMap<string, Fd>,
  state: ResumeState | null,
): InheritedSocket[] {
  const standby = state?.groups.flatMap(({ members }) => members)
    .filter(({ origin }) => origin === "standby").map(({ inode }) => descriptorName.member(inode));
  const sockets: InheritedSocket[] = [];
  for (const [name, fd] of fds) {
    if (standby?.includes(name) === false) continue;
    // The first write of the state drops all other names from the store.
    const socket = storedListener(platform, name, platform.descriptors.duplicate(fd));
    if (socket === null) continue;
    if ("path" in socket) {
      socket.fd.close();
      continue;
    }
    const address = { ...socket.address, v6only: socket.v6only, boundInterface: 0 };
    sockets.push({ fd: socket.fd, origin: "standby", address });
  }
  for (const fd of fds.values()) fd.close();
  return sockets;
}
