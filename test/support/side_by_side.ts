/**
 * Stories that wait more than they work, run together: the first test that asks for its story starts all of them. Each
 * is still a test of its own, with its own failure.
 */
export class SideBySide<T extends { readonly name: string }> {
  #begun: ReadonlyMap<string, Promise<void>> | null = null;

  constructor(readonly stories: readonly T[], readonly tell: (story: T) => Promise<void>) {}

  /** The end of the story with this name. */
  async end(name: string): Promise<void> {
    this.#begun ??= new Map(this.stories.map((story) => {
      const told = this.tell(story);
      // Its own test reports it, and may ask later: until then it counts as unhandled.
      told.catch(() => {});
      return [story.name, told];
    }));
    await this.#begun.get(name);
  }
}
