/**
 * The members at one path: each generation's socket has a node of its own in the directory, and clients find the one that
 * has the public name. THE SWITCH is renameat2(2) with RENAME_EXCHANGE: the node of the next generation gets the public
 * name and that of the one before the hidden name, in one step. So no client finds nothing there, and a roll-back is the
 * same step again. Connections that are in a queue stay with the socket that they came to.
 *
 * SO_REUSEPORT does not exist for Unix sockets, one name leads to one node, and so nothing can be shared out here: of
 * several members the last one gets all new connections.
 */
import { orNull, SystemCallError } from "../../platform/error.ts";
import type { Fd } from "../../platform/fd.ts";
import { C } from "../../platform/libc/constants.ts";
import { Directory, withUmask } from "../../platform/files/directory.ts";
import { isShutDown } from "../../platform/network/poll_now.ts";
import type { FileIdentity } from "../../platform/process/file_identity.ts";
import { ownSocketInode } from "../../platform/process/proc.ts";
import { pathOf } from "../group_address.ts";
import { CandidateTraffic } from "../candidate_traffic.ts";
import type { MemberFields, MemberSet } from "../kernel_members.ts";
import {
  type GroupContext,
  type Hold,
  type Member,
  NO_GENERATION,
  type UnixAddress,
  type UnixNode,
  usableOf,
} from "../member.ts";
import { beginToListen, watchListener } from "../membership.ts";
import { hiddenName, LONGEST_BOUND } from "./hidden_name.ts";
import { exchangeNames, findNames, ownerLike, removeUnknown } from "./node_names.ts";

export class PathMembers implements MemberSet {
  static #nextId = 1;
  readonly candidates = new CandidateTraffic(false);
  #members: Member[] = [];
  #receiving: Member | null = null;
  /** Members that another baton holds too. */
  readonly #shared = new Set<number>();
  /** Sockets with a node that do not listen yet, by inode. */
  readonly #bound = new Map<number, { readonly epoch: number; readonly node: UnixNode }>();
  #directory: Directory | null = null;

  constructor(
    readonly address: UnixAddress,
    readonly context: GroupContext,
    readonly hold: () => Hold,
  ) {}

  /** @throws {SystemCallError} */
  get directory(): Directory {
    const { directory, directoryKey } = this.address;
    return this.#directory ??= Directory.open(this.context.sockets.libc, directory, directoryKey);
  }

  /** A path to the public name that always fits into an address. */
  get publicPath(): string {
    const { directory, name } = this.address;
    return directory === "" ? name : this.directory.pathTo(name);
  }

  get all(): readonly Member[] {
    return this.#members;
  }

  /** The generation whose node clients find; null: none's, or it is unknown. */
  get holder(): number | null {
    return this.#members.find(({ node }) => node?.name === this.address.name)?.epoch ?? null;
  }

  readonly isReceiving = (member: Member): boolean => member === this.#receiving;

  /**
   * Nodes of sockets that listen here, or are bound to the path.
   * @param epoch of this generation only
   */
  nodesOf(epoch: number | null = null): UnixNode[] {
    const isMeant = (each: { epoch: number }) => epoch === null || each.epoch === epoch;
    return [...this.#bound.values(), ...this.#members.filter(({ dead }) => !dead)]
      .filter(isMeant).flatMap(({ node }) => node ?? []);
  }

  /** The node of a socket that is bound, and does not listen yet. */
  boundNode(inode: number): UnixNode | null {
    return this.#bound.get(inode)?.node ?? null;
  }

  /** Notes a node that the server has bound, and perhaps renamed since. */
  noteBound(inode: number, epoch: number, node: UnixNode): void {
    this.#bound.set(inode, { epoch, node });
  }

  /** Keeps the directory as it was found, where its path may lead elsewhere by now. Takes it over. */
  keepDirectory(directory: Directory): void {
    if (this.#directory === null) this.#directory = directory;
    else directory.close();
  }

  /**
   * Binds `socket` to a hidden name of the directory, as if its server had done it.
   * @throws {SystemCallError} of bind(2) and chown(2); nothing is left behind then
   */
  bindHidden(
    socket: Fd,
    { epoch, label, asked }: { readonly epoch: number; readonly label: string; asked?: string },
    owner: FileIdentity,
  ): UnixNode {
    const { context: { sockets }, address, directory } = this;
    const name = hiddenName(address.name, label);
    // A node of that name was left by a baton that was killed: no other may use this name while the service of this
    // path is ours.
    if (directory.stat(name)?.isSocket) orNull(() => directory.remove(name));
    const readable = pathOf({ ...address, name });
    const bound = readable.length <= LONGEST_BOUND ? readable : directory.pathTo(name);
    withUmask(sockets.libc, owner.umask, () => sockets.bindUnix(socket, bound));
    const made = directory.stat(name);
    try {
      if (made === null) throw new SystemCallError("stat", C.ENOENT, readable);
      const gid = directory.givesGroup ? made.gid : owner.gid;
      if (made.uid !== owner.uid && owner.uid !== -1 || made.gid !== gid && gid !== -1) {
        directory.changeOwner(name, owner.uid, gid);
      }
      const node: UnixNode = { name, key: made.key, bound, ...asked !== undefined && { asked } };
      this.noteBound(ownSocketInode(socket.number), epoch, node);
      return node;
    } catch (error) {
      orNull(() => directory.remove(name));
      throw error;
    }
  }

  /** Binds a socket of baton's own, with owner and mode of the others. @throws {SystemCallError} as `bindHidden` */
  bindLikeOthers(socket: Fd): UnixNode {
    const names = [this.address.name, ...this.nodesOf().flatMap(({ name }) => name ?? [])];
    const owner = ownerLike(this.directory, names);
    // The label is not a count, because another baton may hold a queue here, too.
    const label = `q${ownSocketInode(socket.number)}`;
    return this.bindHidden(socket, { epoch: NO_GENERATION, label }, owner);
  }

  append(fields: MemberFields): Member {
    const watch = watchListener(this.context, this, fields.heldUntilRetired);
    const node = fields.node ?? this.boundNode(fields.inode);
    this.#bound.delete(fields.inode);
    const id = PathMembers.#nextId++;
    const member: Member = { ...fields, ...node && { node }, id, shutDownWatch: watch };
    this.#members = [...this.#members, member];
    return member;
  }

  appendShared(fields: MemberFields, isReceiving: boolean): void {
    const member = this.append(fields);
    this.#shared.add(member.id);
    if (isReceiving) this.#receiving = member;
  }

  /**
   * The server's own listen(2) follows: SO_PEERCRED shows clients who called it last. This one comes first, so that a
   * switch cannot come before the other.
   */
  join(fields: MemberFields, backlog: number, receives: boolean): Member {
    beginToListen(this.context, fields.heldUntilRetired, backlog);
    const member = this.append(fields);
    if (receives) this.steerTo([member]);
    return member;
  }

  steerTo(members: readonly Member[]): void {
    const next = members.at(-1);
    if (next !== undefined) this.#receiving = next;
    this.attach();
  }

  stopReceiving(): boolean {
    return false; // There is one that receives, and it continues to.
  }

  /**
   * Gives the public name to the node of the receiving member. A candidate's share can only be all: a bake.
   * @throws {SystemCallError} nothing has changed then
   */
  attach(): void {
    const { share } = this.candidates;
    const isAll = share !== null && share.percent >= 100;
    const ofCandidate = this.#members.filter(({ epoch, dead }) => !dead && epoch === share?.epoch);
    const next = isAll ? usableOf(ofCandidate).at(-1) ?? this.#receiving : this.#receiving;
    const node = next?.node;
    if (node === undefined || this.hold() === "order and program") return;
    const { name: target } = this.address;
    this.#findNames();
    if (node.name === null || node.name === target) return;
    this.context.beforeChange();
    const spare = (before: UnixNode) =>
      // The name has an inode in it, which no other socket has.
      hiddenName(target, `q${this.#members.find((each) => each.node === before)?.inode ?? 0}`);
    exchangeNames(this.directory, { node, target, spare }, this.nodesOf());
  }

  /** Looks for the names of the nodes: another baton, or this one before it was killed, may have exchanged them. */
  #findNames(): void {
    const nodes = this.nodesOf();
    if (nodes.length > 0) findNames(this.directory, this.address.name, nodes);
  }

  compact(): void {
    if (this.hold() !== "nothing" || this.#shared.size > 0) return;
    for (const member of this.#members) {
      if (member.dead && !this.isReceiving(member)) this.remove(member);
    }
  }

  remove(member: Member): void {
    this.context.beforeChange();
    this.#drop(member);
  }

  /** @returns the members that were lost */
  findShutDown(): Member[] {
    const lost = this.#members.filter(({ heldUntilRetired }) =>
      isShutDown(this.context.sockets, heldUntilRetired)
    );
    for (const member of lost) this.#drop(member);
    for (const member of lost) this.context.onWaiting?.(member);
    return lost;
  }

  unshare(): void {
    orNull(() => this.#findNames());
    this.#shared.clear();
    this.compact();
  }

  close(): void {
    for (const member of this.#members) this.#drop(member);
    this.#end();
  }

  release(): void {
    for (const member of this.#members) {
      member.shutDownWatch?.cancel();
      member.heldUntilRetired.close();
    }
    this.#members = [];
    this.#end();
  }

  #end(): void {
    this.#receiving = null;
    this.#directory?.close();
    this.#directory = null;
  }

  #drop(member: Member): void {
    this.#members = this.#members.filter((each) => each !== member);
    if (this.#receiving === member) this.#receiving = null;
    member.shutDownWatch?.cancel();
    const isOurs = this.hold() === "nothing" && !this.#shared.delete(member.id) &&
      member.origin === null;
    if (isOurs) {
      this.#removeHidden(member.node);
      this.context.sockets.stopListening(member.heldUntilRetired);
    }
    member.heldUntilRetired.close();
  }

  /** Removes a hidden node. A public name that the server has bound stays, or goes, as the server leaves it. */
  #removeHidden(node: UnixNode | undefined): void {
    const name = node?.name ?? null;
    if (node === undefined || name === null) return;
    if (name === this.address.name && node.isBatons !== true) return;
    orNull(() => {
      if (this.directory.stat(name)?.key === node.key) this.directory.remove(name);
    });
    node.name = null;
  }

  /** Removes what `epoch` has bound without listening there: it has ended. */
  forgetBound(epoch: number): void {
    for (const [inode, bound] of this.#bound) {
      if (bound.epoch !== epoch) continue;
      this.#removeHidden(bound.node);
      this.#bound.delete(inode);
    }
    if (this.hold() !== "nothing" || this.address.directory === "") return;
    const known = [...this.nodesOf(), ...this.#members.flatMap(({ node }) => node ?? [])];
    orNull(() => removeUnknown(this.directory, hiddenName(this.address.name, `${epoch}`), known));
  }
}
