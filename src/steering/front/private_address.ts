/**
 * Where a proxy in front of the service (--front) reaches one listener: a server binds its public address, and baton binds
 * its socket to one of these instead. The proxy has the public one. Pure.
 *
 * All are IPv4, of IPv6 sockets too: the loopback interface has 16 million addresses of IPv4, and one of IPv6.
 */
import type { InetAddress } from "../../platform/network/address.ts";

/** As a proxy dials it: a port at an IPv4 address, or a Unix socket. */
export type PrivateAddress =
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

/** What the service's `--front` says about them. */
export interface PrivateAddressOptions {
  /** The service's name: two services have other addresses, as far as possible. */
  readonly name: string;
  /** One that other hosts reach; null: each listener gets one of the loopback interface. */
  readonly host: string | null;
  /** Where `host` is one: the ports that may be used; null: the kernel chooses. */
  readonly range: readonly [low: number, high: number] | null;
  /** Public ports that are behind the front; null: all. */
  readonly ports: readonly number[] | null;
}

const MAPPED = "::ffff:";
/** 127.64.0.0/10: resolvers, Docker and host names use addresses below. */
const FIRST_SECOND_OCTET = 64;
const SECOND_OCTETS = 64;
const EPOCHS = 256;
/** Of a generation: .1 to .254. */
const HOSTS = 254;
/** Of a range, before the kernel is asked. */
const MOST_PORTS = 4096;

/**
 * The addresses to try for one more listener, in order: its own port first. "127.64.7.1" is the first of generation 7; a
 * listener that comes later is found the next one free by bind(2).
 */
export function* candidatesFor(
  { name, host, range }: PrivateAddressOptions,
  { epoch, port }: { readonly epoch: number; readonly port: number },
): Generator<{ readonly host: string; readonly port: number }> {
  if (host !== null) {
    if (range === null) return yield { host, port: 0 };
    const [low, high] = range;
    const size = Math.min(high - low + 1, MOST_PORTS);
    // The next generation is not to get what clients of the one before may still dial.
    const first = epoch * 8 % size;
    for (let i = 0; i < size; i++) yield { host, port: low + (first + i) % size };
    return;
  }
  const network = `127.${FIRST_SECOND_OCTET + hashOf(name) % SECOND_OCTETS}.${
    Math.max(epoch, 0) % EPOCHS
  }`;
  for (let i = 1; i <= HOSTS; i++) yield { host: `${network}.${i}`, port };
  // Another program listens at this port at all addresses, or it needs a capability that baton has not.
  yield { host: `${network}.1`, port: 0 };
}

function hashOf(text: string): number {
  let hash = 0;
  for (const char of text) hash = (hash * 31 + char.codePointAt(0)!) >>> 0;
  return hash;
}

/** As a socket of `family` binds it. */
export function asBound(
  { host, port }: { readonly host: string; readonly port: number },
  family: InetAddress["family"],
): InetAddress {
  return { family, host: family === "inet6" ? MAPPED + host : host, port, scope: 0 };
}

/** As a client dials it. */
export function asDialed({ host, port }: InetAddress): { host: string; port: number } {
  return { host: host.startsWith(MAPPED) ? host.slice(MAPPED.length) : host, port };
}
