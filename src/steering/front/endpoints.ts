/** What a proxy in front of the service has to dial, for each public address: what it writes into its endpoints. Pure. */
import { formatAddress } from "../../platform/network/address.ts";
import { addressText } from "../group_address.ts";
import type { Group } from "../group.ts";
import { HELD, type Member, NO_GENERATION, usableOf } from "../member.ts";
import { asDialed, type PrivateAddress } from "./private_address.ts";

interface FrontEndpoint {
  /**
   * Its generation; -2 (HELD): a queue of baton's own, while the next generation of a service that must not run twice
   * starts.
   */
  readonly epoch: number;
  readonly worker: number;
  readonly address: PrivateAddress;
  /**
   * `receiving`: it gets new connections. `candidate`: it listens, and has not passed its gate. `left`: it has received, and
   * gets nothing more: a generation that drains, a worker that goes, or that has died and left a queue.
   */
  readonly state: "receiving" | "candidate" | "left";
  /** Percent of the new connections that a candidate on trial gets; null: no share is set. */
  readonly percent: number | null;
}

export interface FrontedAddress {
  /** The public address as the server has asked for it: "127.0.0.1:3000". */
  readonly text: string;
  readonly port: number;
  /** In the order of epochs and workers. */
  readonly endpoints: readonly FrontEndpoint[];
}

/** Where a proxy dials it: "127.66.3.1:3000"; null: it listens at its public address. */
export function dialedText({ place }: Pick<Member, "place">): string | null {
  return place === undefined ? null : formatAddress(asDialed(place));
}

/** Where to dial a worker, at the first address that has an endpoint of it. */
export function dialedAt(
  groups: readonly Group[],
  epoch: number,
  worker?: number,
): string | null {
  const members = groups.flatMap((group) => [...group.usableMembers(epoch, worker)]);
  return members.map(dialedText).find((text) => text !== null) ?? null;
}

/** @param planned epoch of the generation that is taken to receive; null: as it is */
export function frontEndpoints(
  groups: readonly Group[],
  planned: number | null = null,
): FrontedAddress[] {
  return groups.flatMap((group) => {
    const { front, address, members } = group;
    if (front === null || address.family === "unix") return [];
    const next = planned === null ? [] : usableOf(group.membersOf(planned));
    const receives = (member: Member) =>
      next.length > 0 ? next.includes(member) : group.isReceiving(member);
    const { share } = planned === null ? front.candidates : { share: null };
    const shared = share === null ? [] : usableOf(group.membersOf(share.epoch));
    const endpoints = members.flatMap((member): FrontEndpoint[] => {
      const { epoch, worker, place, dead } = member;
      const isReceiving = receives(member);
      if (place === undefined || dead || epoch === NO_GENERATION && !isReceiving) return [];
      const percent = shared.includes(member) ? share!.percent : null;
      const wasReached = front.hasReceived(member) || epoch === HELD;
      const state = isReceiving ? "receiving" : wasReached ? "left" : "candidate";
      const { host, port } = asDialed(place);
      return [{ epoch, worker, address: { host, port }, state, percent }];
    });
    if (endpoints.length === 0) return [];
    endpoints.sort((a, b) => a.epoch - b.epoch || a.worker - b.worker);
    return [{ text: addressText(address), port: address.port, endpoints }];
  });
}
