/**
 * A trapped bind(2) of a UDP socket. The kernel puts the socket into the group of its address at once, so the program
 * that leads all datagrams to the serving generation is attached before, and the bind is carried out here, on a
 * duplicate: so the order of the kernel's array is known, and the caller gets its error.
 */
import { SystemCallError } from "../../platform/error.ts";
import { C } from "../../platform/libc/constants.ts";
import * as proc from "../../platform/process/proc.ts";
import { addressText } from "../../steering/group_address.ts";
import type { Group } from "../../steering/group.ts";
import type { GroupAddress } from "../../steering/member.ts";
import { isLate, replaceSocket } from "../adopt_listen.ts";
import { groupAddress } from "../caller_socket.ts";
import {
  type AdoptContext,
  type CallReply,
  type ListenerOwner,
  ownedBy,
  type SocketCall,
} from "../listener_owner.ts";
import { addressToBind } from "../right_to_bind.ts";
import { copyOptions } from "./copy_options.ts";
import { roleOfDatagrams } from "./datagram_role.ts";
import { QUIC_REMEDY, UDP_REMEDY } from "./left_datagrams.ts";
import { rightToJoin } from "./right_to_join.ts";
import { usableSocket } from "./usable_socket.ts";

export function adoptDatagrams(
  context: AdoptContext,
  call: SocketCall,
  owner: ListenerOwner,
): CallReply {
  const { platform: { sockets }, listeners } = context;
  // With --udp leave only sockets of the start are looked at: resolvers bind one for each question.
  if (context.udp === "leave" && owner.readyTicks > 0) return "continue";
  const inode = proc.ownSocketInode(call.socket.number);
  if ((sockets.localAddress(call.socket)?.port ?? 0) !== 0) {
    // The call may be a repeated one: a baton that was killed may have carried it out.
    return listeners.findMember(inode, owner.epoch) === null ? "continue" : "done";
  }
  const address = addressToBind(context.platform, call);
  if (address === null || address.port === 0) return "continue";
  const wanted: GroupAddress = {
    ...groupAddress(sockets, call.socket, address),
    protocol: "udp",
  };
  const isSet = (name: number) => sockets.option(call.socket, C.SOL_SOCKET, name) !== 0;
  const sharesPort = isSet(C.SO_REUSEPORT);
  const role = roleOfDatagrams({
    udp: context.udp,
    host: address.host,
    isLate: owner.readyTicks > 0,
    isServed: (listeners.find(wanted)?.members ?? []).some(({ dead }) => !dead),
    isBesideTcp: listeners.ports.includes(wanted.port),
    sharesPort: sharesPort || isSet(C.SO_REUSEADDR),
  });
  const text = addressText(wanted);
  if (role === "left") context.leftDatagrams.add(inode, text);
  // Where nothing else listens the gate cannot be passed.
  if (role === "left" || role === "beside" && listeners.ports.length === 0) {
    owner.onHint(`it binds ${text}, and UDP is not handed over: ${UDP_REMEDY}`);
  }
  return role === "join" ? join(context, call, owner, { wanted, sharesPort }) : "continue";
}

function join(
  context: AdoptContext,
  call: SocketCall,
  owner: ListenerOwner,
  { wanted, sharesPort }: { readonly wanted: GroupAddress; readonly sharesPort: boolean },
): CallReply {
  const { platform, listeners } = context;
  const text = addressText(wanted);
  if (context.leftDatagrams.quic.has(text)) {
    owner.onHint(`${text} speaks QUIC, which is not handed over: ${QUIC_REMEDY}`);
    return "continue";
  }
  // Looked up before connected sockets are let go of, which may dissolve the group.
  const known = listeners.find(wanted);
  const late = known === null ? owner.readyTicks > 0 : isLate(known, owner);
  const right = rightToJoin(context, wanted, owner, { tid: call.tid, sharesPort });
  if (right === "none") return { errno: C.EADDRINUSE };
  if (right === "own") return "continue";
  try {
    const waiting = usableSocket(context, wanted, owner);
    const group = listeners.obtain(wanted);
    if (waiting === null && group.isFrozen) return context.replyWhenFrozen(group);
    if (waiting === null) takeSocket(platform, group, call, { owner, late });
    else {
      copyOptions(platform.sockets, call.socket, waiting.heldUntilRetired);
      replaceSocket(context, call, waiting);
      group.reassign(waiting, ownedBy(owner, call.pid));
    }
    owner.onListening(group, call);
    return "done";
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    owner.onHint(error.message);
    return { errno: error.errno };
  }
}

function takeSocket(
  { sockets, descriptors }: AdoptContext["platform"],
  group: Group,
  { socket, pid }: SocketCall,
  { owner: generation, late }: { owner: ListenerOwner; late: boolean },
): void {
  const before = sockets.option(socket, C.SOL_SOCKET, C.SO_REUSEPORT);
  sockets.setOption(socket, C.SOL_SOCKET, C.SO_REUSEPORT, 1);
  // A process that has one here already may be about to connect this one to a client.
  const waits = generation.readyTicks > 0 &&
    group.membersOf(generation.epoch).some(({ owner }) => owner === pid);
  try {
    const own = ownedBy(generation, pid);
    const options = { ...own, backlog: 0, late, ...waits && { waits } };
    group.takeMember(descriptors.duplicate(socket), options);
    if (waits) group.findShutDown();
  } catch (error) {
    sockets.setOption(socket, C.SOL_SOCKET, C.SO_REUSEPORT, before);
    throw error;
  }
}
