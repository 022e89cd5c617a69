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
  /** Whether it is HEALTHY; false: DRAINING. */
  readonly isHealthy: boolean;
  /** Its weight, at least 1: Envoy rejects a file with 0. */
  readonly weight: number;
}

/**
 * Weight of one server that gets its full part. Shares have two decimals of a percent. It is the same for all, because
 * others may have endpoints in the file: those of a service on trial together weigh as much as before.
 */
const FULL_WEIGHT = 10_000;
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
  const part = Math.min(percent, ALL) / ALL;
  const isTrial = onTrial.length > 0 && receiving.length > 0;
  // Each of several workers gets its part of what its generation gets.
  const weights = {
    onTrial: isTrial ? part * FULL_WEIGHT * receiving.length / onTrial.length : FULL_WEIGHT,
    receiving: isTrial ? (1 - part) * FULL_WEIGHT : FULL_WEIGHT,
  };
  return known.map((each) => {
    const weight = onTrial.includes(each)
      ? Math.max(1, Math.round(weights.onTrial))
      : receiving.includes(each)
      ? Math.round(weights.receiving)
      : 0;
    const isHealthy = weight > 0;
    const { address, epoch, worker } = each;
    return { address, epoch, worker, isHealthy, weight: isHealthy ? weight : 1 };
  });
}

/**
 * The endpoints of a service that ends. Where others have endpoints of the cluster, those get its part; where none has,
 * Envoy would keep sending to what is DRAINING, and answers 503 without it. It ends what it has begun, either way.
 */
export function assignLeaving(
  endpoints: readonly AssignedEndpoint[],
  hasOthers: boolean,
): AssignedEndpoint[] {
  return hasOthers ? endpoints.map((each) => ({ ...each, isHealthy: false, weight: 1 })) : [];
}

/** An address as Envoy writes it: "127.64.0.1:3000", or the path of a Unix socket. */
export function addressKey(address: PrivateAddress): string {
  if ("path" in address) return address.path;
  const { host, port } = address;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether only states and weights differ, if anything does. */
export function hasSameAddresses(
  one: readonly AssignedEndpoint[],
  other: readonly AssignedEndpoint[],
): boolean {
  const keys = (all: readonly AssignedEndpoint[]) =>
    all.map(({ address }) => addressKey(address)).sort().join(" ");
  return keys(one) === keys(other);
}
