/**
 * The tags of members: each has that of its generation from before it listens, and another one when it passes to another
 * generation. Connections that are in its queue then keep the earlier tag, and belong to who accepts them.
 */
import { orNull, SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { HIGHEST_TAG, NO_TAG, SocketTags } from "../platform/network/socket_tag.ts";
import type { Sockets } from "../platform/network/sockets.ts";
import { GenerationTags } from "./generation_tags.ts";

interface TaggedMember {
  readonly epoch: number;
  tag: number;
  readonly origin: string | null;
  readonly heldUntilRetired: Fd;
}

/** All tags: while it is unknown which are in use, none is free. */
const ALL_TAGS: ReadonlySet<number> = new Set(Array.from({ length: HIGHEST_TAG }, (_, i) => i + 1));

export class Tagging {
  readonly generations = new GenerationTags();
  /** What sockets at the service's ports show now. */
  tagsInUse: () => ReadonlySet<number> = () => new Set();
  readonly #sockets: SocketTags;

  constructor(sockets: Sockets) {
    this.#sockets = new SocketTags(sockets);
  }

  /** Tags a socket that does not listen yet. @returns its tag from now on */
  begin(socket: Fd, epoch: number): number {
    const shown = this.#read(socket);
    // The server uses these options for something: they stay as they are.
    if (shown !== NO_TAG) {
      this.generations.spoil(epoch, shown);
      return NO_TAG;
    }
    return this.#write(socket, epoch);
  }

  /** Tags a connection, or a listener, that passes to `epoch`. @returns its tag from now on */
  change(socket: Fd, epoch: number): number {
    return this.#write(socket, epoch);
  }

  /** A process of its generation accepts from `member` from now on; what waits in its queue may have come to another one. */
  pass(member: TaggedMember): void {
    // Each generation would have to tag the same socket.
    if (member.origin === "shared") return;
    const before = member.tag;
    member.tag = this.change(member.heldUntilRetired, member.epoch);
    if (before !== member.tag) this.generations.makeAmbiguous(before);
  }

  /** Notes the tag of a member that an earlier baton has made. */
  recover(socket: Fd, epoch: number): number {
    const tag = this.#read(socket);
    if (epoch < 0) return tag;
    this.generations.recover(epoch, tag);
    return tag;
  }

  #write(socket: Fd, epoch: number): number {
    // Where no generation accepts, each may get the connections that wait.
    const tag = epoch < 0
      ? NO_TAG
      : this.generations.reserve(epoch, () => orNull(this.tagsInUse) ?? ALL_TAGS);
    try {
      this.#sockets.set(socket, tag);
      return tag;
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      this.generations.spoil(epoch, tag);
      return NO_TAG;
    }
  }

  #read(socket: Fd): number {
    try {
      return this.#sockets.of(socket);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      return NO_TAG;
    }
  }
}

/** For UDP sockets nothing is tagged: these options mean something there, and nothing is accepted. */
export const NO_TAGGING: Pick<Tagging, "begin" | "recover" | "change" | "pass"> = {
  begin: () => NO_TAG,
  recover: () => NO_TAG,
  change: () => NO_TAG,
  pass: () => {},
};
