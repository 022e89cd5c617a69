/**
 * Which generation has which tag, and what a connection's tag tells about it. Pure.
 *
 * There are fewer tags than generations in a long life, so a tag is free again when its generation has ended and no
 * connection shows it any more. A generation for which none is free has none.
 */
import { HIGHEST_TAG, NO_TAG } from "../platform/network/socket_tag.ts";

export class GenerationTags {
  readonly #byEpoch = new Map<number, number>();
  /** Tags of generations that have ended: a connection with such a tag is of no living one. */
  readonly #ended = new Set<number>();
  /**
   * Tags that tell nothing: a listener has passed from one generation to another with connections in its queue, or its
   * server has set the options.
   */
  readonly #ambiguous = new Set<number>();

  /**
   * Tags that sockets showed at a look, and those of generations that have ended since; null: that is to be looked for.
   */
  #shown: Set<number> | null = null;

  /** `NO_TAG`: its connections cannot be told by their tags. */
  of(epoch: number): number {
    return this.#byEpoch.get(epoch) ?? NO_TAG;
  }

  /** A connection with this tag can be of any generation. */
  isUncertain(tag: number): boolean {
    if (tag === NO_TAG || this.#ambiguous.has(tag)) return true;
    return !this.#ended.has(tag) && ![...this.#byEpoch.values()].includes(tag);
  }

  /**
   * Notes all tags that the service's sockets showed at a look, for the next generation: until its own tag is reserved,
   * only those of generations come into use.
   */
  note(sockets: readonly { readonly tag?: number }[]): void {
    this.#shown = new Set(sockets.map(({ tag = NO_TAG }) => tag));
  }

  /**
   * @param inUse asked for the tags that sockets show now, where nothing was noted
   * @returns the tag of `epoch`, for good
   */
  reserve(epoch: number, inUse: () => ReadonlySet<number>): number {
    const own = this.#byEpoch.get(epoch);
    if (own !== undefined) return own;
    const taken = new Set([...this.#byEpoch.values(), ...this.#shown ?? inUse()]);
    this.#shown = null;
    const first = epoch % HIGHEST_TAG;
    const inTurn = Array.from({ length: HIGHEST_TAG }, (_, i) => (first + i) % HIGHEST_TAG + 1);
    const tag = inTurn.find((each) => !taken.has(each)) ?? NO_TAG;
    this.#byEpoch.set(epoch, tag);
    this.#ended.delete(tag);
    this.#ambiguous.delete(tag);
    return tag;
  }

  /** Notes the tag that an earlier baton has left in a member of `epoch`. */
  recover(epoch: number, tag: number): void {
    if (tag === NO_TAG) return;
    const own = this.#byEpoch.get(epoch) ?? tag;
    const isOthers = [...this.#byEpoch].some(([other, its]) => other !== epoch && its === tag);
    if (own !== tag || isOthers) this.spoil(epoch, tag);
    else this.#byEpoch.set(epoch, tag);
  }

  /** From now on connections with this tag can be of any generation. */
  makeAmbiguous(tag: number): void {
    if (tag !== NO_TAG) this.#ambiguous.add(tag);
  }

  /** The server of `epoch` uses such options itself. @param shown the tag that this looks like */
  spoil(epoch: number, shown: number): void {
    this.makeAmbiguous(this.of(epoch));
    this.makeAmbiguous(shown);
    this.#shown?.add(shown).add(this.of(epoch));
    this.#byEpoch.set(epoch, NO_TAG);
  }

  end(epoch: number): void {
    const tag = this.of(epoch);
    this.#byEpoch.delete(epoch);
    if (tag === NO_TAG) return;
    this.#ended.add(tag);
    this.#shown?.add(tag);
  }
}
