/** Addresses of groups: which sockets share one, and how they are written. Pure. */
import { formatAddress, isAnyHost } from "../platform/network/address.ts";
import type { GroupAddress, ListenAddress, Member, UnixAddress } from "./member.ts";

/** Two sockets with the same key are in one group (inet_reuseport_add_sock in the kernel), or at one path. */
export function addressKey(address: ListenAddress): string {
  if (address.family === "unix") return `unix ${address.directoryKey} ${address.name}`;
  const { protocol = "tcp", family, host, port, scope, v6only, boundInterface, front } = address;
  const kind = front === undefined ? protocol : "front";
  return `${kind} ${family} ${host} ${port} ${scope} ${v6only} ${boundInterface}`;
}

/** Whether two sockets without SO_REUSEPORT cannot listen at both: bind(2) answers EADDRINUSE. */
export function overlaps(a: ListenAddress, b: ListenAddress): boolean {
  if (a.family === "unix" || b.family === "unix") return addressKey(a) === addressKey(b);
  return portsOverlap(a, b);
}

function portsOverlap(a: GroupAddress, b: GroupAddress): boolean {
  if (a.port !== b.port || a.protocol !== b.protocol) return false;
  if (a.family === b.family) {
    const same = a.host === b.host && a.scope === b.scope;
    return same || isAnyHost(a.host) || isAnyHost(b.host);
  }
  const six = a.family === "inet6" ? a : b;
  return six.host === "::" && !six.v6only;
}

/**
 * Whether a group gets datagrams, not connections: nothing is accepted there, and there is nothing to drain but what is
 * unread.
 */
export function isDatagram({ address }: { readonly address: ListenAddress }): boolean {
  return isUdp(address);
}

/** @returns the TCP ports that clients connect to, or the proxy in front of the service */
export function portsOf(
  { address, members }: { readonly address: ListenAddress; readonly members: readonly Member[] },
): number[] {
  if (address.family === "unix" || address.protocol === "udp") return [];
  return [address.port, ...members.flatMap(({ place }) => place?.port ?? [])];
}

/** Whether an address is behind a proxy, which dials private ones. */
export function isFronted(address: ListenAddress): address is GroupAddress {
  return address.family !== "unix" && address.front === true;
}

export function isUdp(address: ListenAddress): address is GroupAddress {
  return address.family !== "unix" && address.protocol === "udp";
}

/** "127.0.0.1:53", "udp:127.0.0.1:53", "unix:/run/app.sock" */
export function addressText(address: ListenAddress): string {
  if (address.family === "unix") return `unix:${pathOf(address)}`;
  const text = formatAddress(address);
  return address.protocol === "udp" ? `udp:${text}` : text;
}

/** The public path, as this process sees it; an abstract name has no directory. */
export function pathOf({ directory, name }: UnixAddress): string {
  if (directory === "") return name;
  return `${directory === "/" ? "" : directory}/${name}`;
}
