/**
 * Changes to the document, only where something is different: what a reader has selected, or has the focus in, stays.
 * Text is set as text, never as HTML.
 */

/** @throws {TypeError} when page.html has no such element: caught by any test of the page */
export function byId<T extends Element>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new TypeError(`page.html has no ${kind.name} "${id}"`);
  return found;
}

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = "",
  text = "",
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className !== "") element.className = className;
  if (text !== "") element.textContent = text;
  return element;
}

export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** @param value null: without it */
export function setAttribute(element: Element, name: string, value: string | null): void {
  if (element.getAttribute(name) === value) return;
  if (value === null) element.removeAttribute(name);
  else element.setAttribute(name, value);
}

export function show(element: HTMLElement, isShown: boolean): void {
  if (element.hidden === isShown) element.hidden = !isShown;
}

/** The children of one element, one for each item, kept as long as their keys are there. */
export class KeyedList<Item, Child extends Element> {
  readonly #children = new Map<string, Child>();

  constructor(
    readonly parent: Element,
    readonly key: (item: Item) => string,
    readonly create: (item: Item) => Child,
    readonly update: (child: Child, item: Item) => void = () => {},
  ) {}

  set(items: readonly Item[]): void {
    const keys = new Set(items.map(this.key));
    for (const [key, child] of this.#children) {
      if (keys.has(key)) continue;
      child.remove();
      this.#children.delete(key);
    }
    items.forEach((item, index) => {
      const child = this.#children.get(this.key(item)) ?? this.create(item);
      this.#children.set(this.key(item), child);
      this.update(child, item);
      if (this.parent.children[index] !== child) {
        this.parent.insertBefore(child, this.parent.children[index] ?? null);
      }
    });
  }
}
