/**
 * Inherit: baton binds the listeners itself and passes each generation members of its own, from
 * descriptor 3 on. They listen before the server runs, so early connections wait instead of being
 * refused, and get nothing while another generation serves. A socket that systemd has passed to baton
 * (activated_sockets.ts) is the member of the first generation; those after it get their own.
 */
import type { InetListenSpec, ListenSpec } from "../config/values/listen_spec.ts";
import type { UnixListenSpec } from "../config/values/unix_listen_spec.ts";
import { bindJoinable, boundSocket } from "../steering/bound_socket.ts";
import type { Group } from "../steering/group.ts";
import type { GroupAddress, Member } from "../steering/member.ts";
import type { Listeners } from "../steering/listeners.ts";
import { boundAtPath, obstacleAt, pathAddress, pathReason } from "./inherit_path.ts";
import {
  holderOf,
  listenersOverlapping,
  overlapText,
  unmanagedListenerAt,
} from "./unmanaged_listeners.ts";
import { SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import type { TcpSocket } from "../platform/network/sock_diag.ts";

type MemberOwner = Pick<Member, "epoch" | "worker" | "aside">;

/** A listener could not be bound: names the address and the program that holds it. */
export class ListenError extends Error {}

export function specAddress(spec: InetListenSpec): GroupAddress {
  const { family, host, port, v6only } = spec;
  return { family, host, port, v6only, scope: 0, boundInterface: 0 };
}

export class Inheritor {
  constructor(
    readonly platform: Platform,
    readonly listeners: Listeners,
    readonly specs: readonly ListenSpec[],
    readonly backlog: number,
  ) {}

  /**
   * @returns members for a worker of a new generation, or for one that starts later, in the order of the specs: new
   * ones, or those of the crashed generation `replacementOf`, whose queues may hold connections
   * @throws {ListenError} when an address cannot be bound; nothing is left behind
   */
  membersFor(owner: MemberOwner, replacementOf: number | null): Member[] {
    const { epoch } = owner;
    const members: Member[] = [];
    try {
      for (const spec of this.specs) members.push(this.#member(spec, owner, replacementOf));
    } catch (error) {
      if (owner.aside) throw error;
      // Connections in the crashed generation's queues wait for the next replacement.
      if (replacementOf !== null) this.listeners.returnMembers(epoch, replacementOf);
      this.listeners.retire(epoch);
      throw error;
    }
    return members;
  }

  #member(spec: ListenSpec, owner: MemberOwner, replacementOf: number | null): Member {
    const { epoch, worker } = owner;
    const group = this.#group(spec);
    // The predecessor has made one for each worker of this generation.
    const made = group.isFrozen ? group.membersOf(epoch)[worker] : undefined;
    if (made !== undefined) return Object.assign(made, { worker });
    const [own] = group.membersOf(epoch, worker);
    const left = own ??
      (replacementOf === null
        ? this.listeners.lend(group, epoch)
        : group.waitingFor(replacementOf)[0]);
    if (left !== undefined) {
      group.reassign(left, { ...owner, owner: 0 });
      return left;
    }
    const unassigned = group.unassignedSocket;
    if (unassigned?.origin === "shared") {
      const socket = this.platform.descriptors.duplicate(unassigned.heldUntilRetired);
      return group.addListening(socket, { epoch, worker, origin: "shared" });
    }
    // The first generation here gets the socket, because connections may wait in it. Later ones leave it for the
    // service's end.
    if (unassigned !== undefined && group.receivingEpochs.size === 0) {
      group.reassign(unassigned, { ...owner, owner: 0 });
      // An earlier generation's node may still have the path.
      if (group.path !== null) group.steerTo([unassigned]);
      return unassigned;
    }
    const socket = spec.family === "unix"
      ? this.#boundAtPath(spec, group, epoch)
      : this.#boundWithoutDelay(spec, group, [epoch, replacementOf]);
    try {
      return group.takeMember(socket, { ...owner, owner: 0, backlog: this.backlog, late: false });
    } catch (error) {
      throw this.#explain(spec, error);
    }
  }

  #group(spec: ListenSpec): Group {
    if (spec.family !== "unix") {
      const address = specAddress(spec);
      // A socket of the service manager is where clients are: nothing can be in front of it.
      const isPassed = (this.listeners.find(address)?.members.length ?? 0) > 0;
      const behindFront = isPassed ? null : this.listeners.privateAddresses?.behindFront(address);
      return this.listeners.obtain(behindFront ?? address);
    }
    try {
      return this.listeners.obtain(pathAddress(this.platform, spec.path));
    } catch (error) {
      throw this.#explain(spec, error);
    }
  }

  #boundAtPath(spec: UnixListenSpec, group: Group, epoch: number): Fd {
    const obstacle = obstacleAt(this.platform, group);
    if (obstacle !== null) throw new ListenError(`Cannot listen at ${spec.text}: ${obstacle}`);
    try {
      return boundAtPath(this.platform, group, spec, epoch);
    } catch (error) {
      throw this.#explain(spec, error);
    }
  }

  /**
   * Accepted connections have TCP_NODELAY from the listener. A server that does not know the family of a passed descriptor (uvicorn --fd)
   * leaves it out, and each answer in two parts waits 40 ms for the client's delayed acknowledgment (findings/inherited-port-answers-in-44-ms.sh).
   */
  #boundWithoutDelay(
    spec: InetListenSpec,
    group: Group,
    own: readonly [number, number | null],
  ): Fd {
    const socket = this.#bound(spec, group, own);
    this.platform.sockets.setOption(socket, C.IPPROTO_TCP, C.TCP_NODELAY, 1);
    return socket;
  }

  #bound(spec: InetListenSpec, group: Group, own: readonly [number, number | null]): Fd {
    const { network, members, front } = group;
    const { sockets } = this.platform;
    if (front !== null) {
      this.#refuseOverlap(spec, group, own);
      return this.#boundPrivately(spec, group, own[0]);
    }
    const address = specAddress(spec);
    const socket = network?.stream(spec.family) ?? sockets.stream(spec.family);
    try {
      // Beside another program's SO_REUSEPORT socket the bind would succeed, and connections would be steered to that. In
      // another netns its sockets cannot be distinguished from ours.
      const canTell = network === null || members.length === 0;
      if (canTell && unmanagedListenerAt(this.platform, this.listeners, address) !== undefined) {
        throw new SystemCallError("bind", C.EADDRINUSE, spec.text);
      }
      this.#refuseOverlap(spec, group, own);
      bindJoinable(sockets, socket, address);
      return socket;
    } catch (error) {
      socket.close();
      throw this.#explain(spec, error);
    }
  }

  #boundPrivately(spec: InetListenSpec, group: Group, epoch: number): Fd {
    try {
      return boundSocket(group, epoch);
    } catch (error) {
      throw this.#explain(spec, error);
    }
  }

  /** @throws {ListenError} where a new listener would get another generation's connections at once */
  #refuseOverlap(
    spec: InetListenSpec,
    { address }: Group,
    own: readonly (number | null)[],
  ): void {
    const other = this.listeners.overlapping(address, own);
    if (other === null) return;
    throw new ListenError(`Cannot listen at ${spec.text}: ${overlapText("it", other)}`);
  }

  /** Listeners that keep `spec` from being bound; for a dual-stack one, of both families. Other programs' come first. */
  #obstaclesAt(spec: InetListenSpec): TcpSocket[] {
    const isOurs = ({ inode }: TcpSocket) => this.listeners.findMember(inode) !== null;
    return listenersOverlapping(this.platform, specAddress(spec))
      .sort((a, b) => Number(isOurs(a)) - Number(isOurs(b)));
  }

  #explain(spec: ListenSpec, error: unknown): Error {
    if (!(error instanceof SystemCallError)) return error as Error;
    const reason = spec.family === "unix" ? pathReason(spec, error) : this.#reason(spec, error);
    const message = `Cannot listen at ${spec.text}: ${reason}`;
    return new ListenError(message, { cause: error });
  }

  #reason(spec: InetListenSpec, { errno, code }: SystemCallError): string {
    if (errno === C.EACCES) return "ports below 1024 need CAP_NET_BIND_SERVICE";
    if (errno === C.EADDRNOTAVAIL) return 'this machine has no such address: see "ip address"';
    if (errno !== C.EADDRINUSE) return code;
    const [obstacle] = this.#obstaclesAt(spec);
    const holder = obstacle === undefined ? "another socket" : holderOf(obstacle);
    return `it is held by ${holder}: stop that, or use another address`;
  }
}
