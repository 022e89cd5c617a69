/**
 * Sockets that servers have bound to paths where no other generation listens, until they listen: the kernel has bound
 * them. (Those beside another generation are in that one's group.)
 */
import type { UnixAddress } from "../../steering/member.ts";

interface BoundPath {
  readonly epoch: number;
  address: UnixAddress;
  /** The path as the server named it when it bound it. */
  readonly bound: string;
}

/** Sockets that are remembered, more than any server has; the oldest are forgotten. */
const MOST = 256;

function isAbstract({ address }: BoundPath): boolean {
  return address.directory === "";
}

export class BoundPaths {
  /** @param sharesAbstract all generations have the one socket of an abstract name (--unix-shared) */
  constructor(readonly sharesAbstract: boolean) {}

  /** By inode of the socket. */
  readonly #bound = new Map<number, BoundPath>();

  get names(): string[] {
    return [...this.#bound.values()].filter((each) => !isAbstract(each))
      .map(({ address }) => address.name);
  }

  add(inode: number, bound: BoundPath): void {
    this.#bound.delete(inode);
    this.#bound.set(inode, bound);
    const [oldest] = this.#bound.keys();
    if (this.#bound.size > MOST && oldest !== undefined) this.#bound.delete(oldest);
  }

  /** @returns what the socket is bound to, and forgets it */
  take(inode: number): BoundPath | null {
    const found = this.#bound.get(inode) ?? null;
    this.#bound.delete(inode);
    return found;
  }

  /** As `take()`, if that is an abstract name. */
  takeAbstract(inode: number): BoundPath | null {
    const found = this.#bound.get(inode);
    return found !== undefined && isAbstract(found) ? this.take(inode) : null;
  }

  /** What `epoch` has bound to this name of a directory. */
  at(epoch: number, directoryKey: string, name: string): [inode: number, BoundPath] | null {
    return [...this.#bound].findLast(([, each]) =>
      each.epoch === epoch && each.address.directoryKey === directoryKey &&
      each.address.name === name
    ) ?? null;
  }
}
