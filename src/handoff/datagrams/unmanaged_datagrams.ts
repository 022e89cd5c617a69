/** Finds UDP sockets at an address of the service that are not baton's to steer. */
import { udpAddress, type UdpSocket, udpSockets } from "../../platform/network/udp_table.ts";
import { allProcesses, processName, socketInodesOf } from "../../platform/process/proc.ts";
import { overlaps } from "../../steering/group_address.ts";
import type { Listeners } from "../../steering/listeners.ts";
import type { GroupAddress } from "../../steering/member.ts";

/** @returns a socket at an overlapping address: of another program, or one of the service that was left alone */
export function unmanagedDatagrams(listeners: Listeners, wanted: GroupAddress): UdpSocket | null {
  const isThere = ({ local }: UdpSocket) => {
    // Whether an IPv6 socket is dual-stack is not in the table: the kernel decides.
    const address = { ...udpAddress(local), v6only: true, boundInterface: 0 };
    return overlaps({ ...address, protocol: "udp" }, wanted);
  };
  return udpSockets()
    .find((socket) => isThere(socket) && listeners.findMember(socket.inode) === null) ?? null;
}

/** @returns "dnsmasq (pid 12)" */
export function holderOfDatagrams({ inode }: UdpSocket): string {
  const pid = allProcesses().find((pid) => socketInodesOf(pid).has(inode));
  return pid === undefined ? "another process" : `${processName(pid)} (pid ${pid})`;
}
