/**
 * What an Envoy is to do with each endpoint of one address of the service. Pure.
 *
 * An endpoint that gets nothing is DRAINING, never UNHEALTHY (with few healthy ones Envoy panics, and sends to all of them),
 * and it is never removed while its generation lives (with an active health check Envoy keeps sending to one that is gone).
 */
import type { FrontedAddress } from "../steering/front/endpoints.ts";
import type { PrivateAddress } from "../steering/front/private_address.ts";

type FrontEndpoint = FrontedAddress["endpoints"][number];

export interface AssignedEndpoint extends Pick<FrontEndpoint, "epoch" | "worker"> {
  readonly address: PrivateAddress;
  /** False: DRAINING. */
  readonly isHealthy: boolean;
  /** At least 1: Envoy rejects a file with 0. */
  readonly weight: number;
}

/** Shares of connections have two decimals. */
const PARTS_PER_PERCENT = 100;
const ALL = 100;

/**
 * @param introduced a candidate that Envoy is to know before it gets anything: it is checked by then, and its address is
 * one that Envoy accepts. Other candidates are left out
 */
export function assign(
  endpoints: readonly FrontEndpoint[],
  introduced: number | null,
): AssignedEndpoint[] {
  const known = endpoints.filter(({ state, percent, epoch }) =>
    state !== "candidate" || percent !== null || epoch === introduced
  );
  const onTrial = known.filter(({ percent }) => percent !== null && percent > 0);
  const receiving = known.filter((each) => each.state === "receiving" && each.percent === null);
  const percent = receiving.length === 0 ? ALL : Math.max(0, ...onTrial.map((on) => on.percent!));
  const candidateParts = Math.min(Math.round(percent * PARTS_PER_PERCENT), ALL * PARTS_PER_PERCENT);
  const servingParts = ALL * PARTS_PER_PERCENT - candidateParts;
  // Each of several workers gets its part of what its generation gets.
  const [ofCandidate, ofServing] = onTrial.length === 0 || receiving.length === 0
    ? [1, 1]
    : smallest(candidateParts * receiving.length, servingParts * onTrial.length);
  return known.map((each) => {
    const isOnTrial = onTrial.includes(each);
    const weight = isOnTrial ? ofCandidate : receiving.includes(each) ? ofServing : 0;
    const isHealthy = weight > 0;
    const { address, epoch, worker } = each;
    return { address, epoch, worker, isHealthy, weight: isHealthy ? weight : 1 };
  });
}

function smallest(one: number, other: number): [number, number] {
  const divisor = greatestCommonDivisor(one, other);
  return [one / divisor, other / divisor];
}

function greatestCommonDivisor(one: number, other: number): number {
  return other === 0 ? one : greatestCommonDivisor(other, one % other);
}

/** As Envoy writes it: "127.64.0.1:3000", or the path of a Unix socket. */
export function addressKey(address: PrivateAddress): string {
  if ("path" in address) return address.path;
  const { host, port } = address;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
