/** Reads a small text file that may be anything, or missing. */
import { closeSync, constants, openSync, readSync } from "node:fs";

const LONGEST = 256 * 1024;

/** @returns its beginning; null: there is none, or it may not be read */
export function readText(path: string): string | null {
  let descriptor: number | null = null;
  try {
    // Non-blocking: it may be a FIFO.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const bytes = new Uint8Array(LONGEST);
    return new TextDecoder().decode(bytes.subarray(0, readSync(descriptor, bytes)));
  } catch {
    return null;
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
}
