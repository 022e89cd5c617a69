/**
 * Where a proxy in front of the service (--front) reaches one listener. A server binds its public address, and baton
 * binds its socket to a private one instead; the proxy listens at the public one. Private addresses are IPv4, those of
 * IPv6 sockets too: the loopback interface has 16 million addresses of IPv4, and one of IPv6. Pure.
 */
import type { InetAddress } from "../../platform/network/address.ts";

/** As a proxy dials it: a port at an IP address, or a Unix socket. */
export type PrivateAddress =
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

/** One front of the service: what it says about private addresses. */
export interface FrontPlace {
  /** Its public port; null: the one that the server binds first. */
  readonly port: number | null;
  /** An address that other hosts reach; null: each listener gets one of the loopback interface. */
  readonly address: string | null;
}

const MAPPED = "::ffff:";
/** Private addresses are of 127.64.0.0/10: resolvers, Docker and host names use addresses below. */
const FIRST_SECOND_OCTET = 64;
const SECOND_OCTETS = 64;
const EPOCHS = 256;
/** Addresses of one generation: .1 to .254. */
const HOSTS = 254;

/**
 * @param first the port that was bound first
 * @returns the front, of those of a service, that a listener at `port` is behind
 */
export function frontOf<F extends FrontPlace>(
  fronts: readonly F[],
  port: number,
  first: number | null,
): F | null {
  const named = fronts.find((front) => front.port === port);
  if (named !== undefined) return named;
  return fronts.find((front) => front.port === null && port === (first ?? port)) ?? null;
}

/**
 * The addresses to try for one more listener, in order: its own port first. "127.64.7.1" is the first of generation 7; a
 * listener that comes later finds the next free one by bind(2).
 * @param service what tells it from others: two have other addresses, as far as possible
 */
export function* candidatesFor(
  { service, epoch, port, address }: {
    readonly service: string;
    readonly epoch: number;
    readonly port: number;
    readonly address: string | null;
  },
): Generator<{ readonly host: string; readonly port: number }> {
  // At an address that is given, all generations have that one, and the kernel chooses ports that are free.
  if (address !== null) return yield { host: address, port: 0 };
  const second = FIRST_SECOND_OCTET + hashOf(service) % SECOND_OCTETS;
  const network = `127.${second}.${Math.max(epoch, 0) % EPOCHS}`;
  for (let i = 1; i <= HOSTS; i++) yield { host: `${network}.${i}`, port };
  // For a server's port at which another program listens at all addresses, or that needs a capability which baton has
  // not.
  yield { host: `${network}.1`, port: 0 };
}

function hashOf(text: string): number {
  let hash = 0;
  for (const char of text) hash = (hash * 31 + char.codePointAt(0)!) >>> 0;
  return hash;
}

/** `host` as a socket of `family` binds it. */
export function asBound(
  { host, port }: { readonly host: string; readonly port: number },
  family: InetAddress["family"],
): InetAddress {
  const isMapped = family === "inet6" && !host.includes(":");
  return { family, host: isMapped ? MAPPED + host : host, port, scope: 0 };
}

/** The place as a client dials it. */
export function asDialed(place: InetAddress): InetAddress {
  if (!place.host.startsWith(MAPPED)) return place;
  return { ...place, family: "inet", host: place.host.slice(MAPPED.length) };
}
