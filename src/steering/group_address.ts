/** Addresses of groups: which sockets share one, and how they are written. Pure. */
import { formatAddress } from "../platform/network/address.ts";
import type { GroupAddress } from "./member.ts";

const ANY_HOSTS: readonly string[] = ["0.0.0.0", "::"];

/** Two sockets with the same key are in one group (inet_reuseport_add_sock in the kernel). */
export function groupKey(address: GroupAddress): string {
  const { protocol = "tcp", family, host, port, scope, v6only, boundInterface } = address;
  return `${protocol} ${family} ${host} ${port} ${scope} ${v6only} ${boundInterface}`;
}

/** Whether two sockets without SO_REUSEPORT cannot listen at both: bind(2) answers EADDRINUSE. */
export function overlaps(a: GroupAddress, b: GroupAddress): boolean {
  if (a.port !== b.port || a.protocol !== b.protocol) return false;
  if (a.family === b.family) {
    const same = a.host === b.host && a.scope === b.scope;
    return same || ANY_HOSTS.includes(a.host) || ANY_HOSTS.includes(b.host);
  }
  const six = a.family === "inet6" ? a : b;
  return six.host === "::" && !six.v6only;
}

/** It gets datagrams, not connections: nothing is accepted there, and nothing to drain but what is unread. */
export function isDatagram({ address }: { readonly address: Pick<GroupAddress, "protocol"> }) {
  return address.protocol === "udp";
}

/** "127.0.0.1:53", "udp:127.0.0.1:53" */
export function addressText(address: GroupAddress): string {
  const text = formatAddress(address);
  return address.protocol === "udp" ? `udp:${text}` : text;
}
