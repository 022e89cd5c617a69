/**
 * Output of the scripts: lines, and on a terminal one more that is written over again and again.
 * Where there is no terminal that line is left out, or printed as often as `plainEveryMs` says.
 */

const CLEAR_LINE = "\r\x1b[K";
const DEFAULT_COLUMNS = 80;

export class Terminal {
  readonly isTerminal = Deno.stdout.isTerminal() && Deno.env.get("TERM") !== "dumb";
  #status = "";
  #plainAt = -Infinity;

  /** @param plainEveryMs how often a status is a line of its own without a terminal; 0 for never */
  constructor(readonly plainEveryMs = 0) {}

  line(text = ""): void {
    if (this.#status !== "") write(CLEAR_LINE);
    write(`${text}\n${this.#status}`);
  }

  /** Replaces the last line; an empty text removes it. */
  status(text: string): void {
    if (this.isTerminal) {
      if (text === "" && this.#status === "") return;
      this.#status = text.slice(0, columns() - 1);
      write(CLEAR_LINE + this.#status);
    } else if (text !== "" && this.plainEveryMs > 0) {
      if (performance.now() - this.#plainAt < this.plainEveryMs) return;
      this.#plainAt = performance.now();
      write(`${text}\n`);
    }
  }
}

function columns(): number {
  try {
    return Deno.consoleSize().columns || DEFAULT_COLUMNS;
  } catch {
    return DEFAULT_COLUMNS;
  }
}

/** All of it: a pipe may take less than it is given. */
function write(text: string): void {
  let bytes = new TextEncoder().encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(Deno.stdout.writeSync(bytes));
}

/** Columns as wide as their widest cell; all but the first are numbers, on the right. */
export function columnsOf(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, i) =>
    Math.max(...rows.map((row) => (row[i] ?? "").length))
  );
  return rows.map((row) =>
    row.map((cell, i) => i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))
      .join("  ").trimEnd()
  );
}

/** "0.4 s", "75 s" */
export function seconds(ms: number): string {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`;
}
