/** `log:REGEX`: the server is ready when it prints a matching line. Only complete lines are matched. Pure. */

/** Bytes of the longest line; a longer one is cut. */
const LONGEST_LINE = 64 * 1024;

export class LogLine {
  /** The line that matched. */
  found: string | null = null;
  readonly #decoders = new Map<number, TextDecoder>();
  readonly #partial = new Map<number, string>();
  #count = 0;

  constructor(readonly pattern: RegExp) {}

  get explanation(): string {
    return this.#count === 0 ? "it printed no line" : `none of ${this.#count} lines matched`;
  }

  /**
   * @param stream 1 or 2: each has its own lines
   * @returns true at the first matching line
   */
  add(stream: number, bytes: Uint8Array): boolean {
    if (this.found !== null) return false;
    const decoder = this.#decoders.get(stream) ?? new TextDecoder();
    this.#decoders.set(stream, decoder);
    const text = (this.#partial.get(stream) ?? "") + decoder.decode(bytes, { stream: true });
    const lines = text.split("\n");
    this.#partial.set(stream, (lines.pop() ?? "").slice(0, LONGEST_LINE));
    this.#count += lines.length;
    this.found =
      lines.map((line) => line.replace(/\r$/, "")).find((line) => this.pattern.test(line)) ?? null;
    return this.found !== null;
  }
}
