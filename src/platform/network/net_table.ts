/**
 * A table of /proc/net as text, a few lines at a time. A hundred thousand of them are common, and `readFileSync` of some
 * runtimes takes a second for these: it begins with 32 bytes.
 */
import { closeSync, openSync, readSync } from "node:fs";

/** The kernel gives no more than a page at a time. */
const piece = new Uint8Array(64 * 1024);
const letters = new TextDecoder("latin1");

/**
 * @param mostBytes what is behind them is left out
 * @returns whole lines, with their ends
 * @throws when it cannot be opened or read
 */
export function* linesOf(path: string, mostBytes = Infinity): Generator<string, void> {
  const file = openSync(path, "r");
  try {
    let rest = "";
    for (let read = 0; read < mostBytes;) {
      const length = readSync(file, piece);
      if (length === 0) break;
      read += length;
      const text = rest + letters.decode(piece.subarray(0, length));
      const end = text.lastIndexOf("\n") + 1;
      rest = text.slice(end);
      yield text.slice(0, end);
    }
  } finally {
    closeSync(file);
  }
}
