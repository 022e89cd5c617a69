/** Reads the beginning of a file that may be anything, or missing. */
import { closeSync, constants, openSync, readSync } from "node:fs";

const LONGEST_TEXT = 256 * 1024;

/** @returns null: there is none, or it may not be read */
export function firstBytes(path: string, length: number): Uint8Array | null {
  let descriptor: number | null = null;
  try {
    // The file may be a FIFO, so it is opened without blocking.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const bytes = new Uint8Array(length);
    return bytes.subarray(0, readSync(descriptor, bytes));
  } catch {
    return null;
  } finally {
    if (descriptor !== null) closeSync(descriptor);
  }
}

/** Reads a small text file. @returns null: there is none, or it may not be read */
export function firstText(path: string): string | null {
  const bytes = firstBytes(path, LONGEST_TEXT);
  return bytes && new TextDecoder().decode(bytes);
}
