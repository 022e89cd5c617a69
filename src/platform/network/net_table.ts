/**
 * A table of /proc/net as text, piece by piece. Each read(2) asks for more than a page, the most that the kernel gives:
 * `readFileSync` of some runtimes begins with 32 bytes.
 */
import { closeSync, openSync, readSync } from "node:fs";

const PIECE_SIZE = 64 * 1024;

/**
 * @param mostBytes what is behind them is left out
 * @throws when it cannot be opened or read
 */
export function* piecesOf(path: string, mostBytes = Infinity): Generator<string, void> {
  const letters = new TextDecoder("latin1");
  const piece = new Uint8Array(PIECE_SIZE);
  const file = openSync(path, "r");
  try {
    for (let read = 0; read < mostBytes;) {
      const length = readSync(file, piece);
      if (length === 0) return;
      read += length;
      yield letters.decode(piece.subarray(0, length));
    }
  } finally {
    closeSync(file);
  }
}
