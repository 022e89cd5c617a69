/**
 * How this instance of a service starts, with exactly what that way brings along.
 *
 *   fresh          no other instance: starts the first generation
 *   recovered      a killed instance left its servers (--survive): resumes them
 *   in-place       this process was the service before an exec: resumes it
 *   upgrade-child  the predecessor started this process to replace it
 *   takeover       an independent instance answers at --takeover, and is replaced
 */
import { NameLock } from "../../admin/name_lock.ts";
import type { InheritedSocket } from "../../handoff/activated_sockets.ts";
import { errorText } from "../../platform/error.ts";
import type { Fd } from "../../platform/fd.ts";
import { descriptorName, type Resumption } from "../../succession/state/resumption.ts";
import type { TakeoverClient } from "../../succession/takeover/takeover_client.ts";
import type { Predecessor } from "../../succession/upgrade/predecessor.ts";
import { findInheritedState, type InheritedState } from "./inherited_state.ts";
import type { Origin } from "./origin.ts";
import { refuseName } from "./process_setup.ts";
import type { ServiceSetup } from "./service_setup.ts";

interface AnyStart extends Pick<InheritedState, "recovered" | "storedNames"> {
  readonly lock: NameLock;
  /** No other instance has the name, and so its control socket, pidfile and fd store process. */
  readonly ownsName: boolean;
  /** Listening sockets that came with the start. */
  readonly sockets: readonly InheritedSocket[];
  /** What a "recovered" or "in-place" instance continues with, and the control socket of the previous one. */
  readonly resumption: Resumption | null;
  readonly control: Fd | null;
}

export type StartMode =
  | AnyStart & { readonly kind: "fresh" | "recovered" | "in-place" }
  | AnyStart & Extract<Origin, { kind: "upgrade-child" }>
  | AnyStart & { readonly kind: "takeover"; readonly taker: TakeoverClient };

/** @throws {UserError} when another instance has the name, or a takeover fails */
export async function findStartMode(setup: ServiceSetup, origin: Origin): Promise<StartMode> {
  const { platform, paths } = setup;
  const own = await ownLock(setup, origin);
  const inherited = findInheritedState(setup, origin, own !== null);
  const { recovered, storedNames, resumption, activated, standbySockets } = inherited;
  const sockets = [...activated, ...standbySockets];
  const ownsName = own !== null;
  const common = { recovered, storedNames, sockets, ownsName, resumption, control: null };
  if (origin.kind === "upgrade-child") {
    const lock = NameLock.inherit(platform, paths.lock, origin.predecessor.lock, false);
    return { ...origin, ...common, lock };
  }
  if (resumption !== null) {
    const kind = origin.kind === "in-place" ? "in-place" : "recovered";
    const lock = own ?? refuseName(setup.config);
    return { ...common, kind, lock, control: resumption.kept.take(descriptorName.control) };
  }
  const taker = setup.config.takeover === null
    ? null
    : await (await import("./parts/taker.ts")).connectTaker(setup, setup.config.takeover);
  if (taker === null) return { kind: "fresh", ...common, lock: own ?? refuseName(setup.config) };
  try {
    const lock = own ?? sharedLock(setup, taker) ?? refuseName(setup.config);
    // The old instance's sockets come first, in its order.
    return { kind: "takeover", ...common, sockets: activated, lock, taker };
  } catch (error) {
    taker.reportFailure(errorText(error));
    taker.close();
    throw error;
  }
}

/** The instance that this one replaces, if there is one. */
export function predecessorOf(mode: Origin | StartMode): Predecessor | TakeoverClient | null {
  if (mode.kind === "upgrade-child") return mode.predecessor;
  return mode.kind === "takeover" ? mode.taker : null;
}

async function ownLock(
  { platform, paths }: ServiceSetup,
  origin: Origin,
): Promise<NameLock | null> {
  if (origin.kind === "upgrade-child") return null;
  if (origin.kind === "command") return await NameLock.take(platform, paths.lock, paths.socket);
  const kept = origin.resumption.kept.take(descriptorName.lock);
  return kept === null ? null : NameLock.inherit(platform, paths.lock, kept, true);
}

/** The lock of the instance that is taken over, if that has the same name. */
function sharedLock({ platform, paths }: ServiceSetup, taker: TakeoverClient): NameLock | null {
  const fd = taker.takeLock(paths.lock);
  return fd === null ? null : NameLock.inherit(platform, paths.lock, fd, false);
}
