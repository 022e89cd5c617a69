/** Reads a state from a descriptor, of whichever protocol. */
import { readFileSync, statSync } from "node:fs";

/** Longest state: thousands of listeners. */
const STATE_LIMIT = 4 * 1024 * 1024;

/** By path: Deno cannot read from a descriptor that it has not opened itself. @throws {Error} when it is too long */
export function readState(descriptor: number): string {
  const path = `/proc/self/fd/${descriptor}`;
  const { size } = statSync(path);
  if (size > STATE_LIMIT) throw new Error(`Cannot continue: the state has ${size} bytes`);
  return readFileSync(path, "utf8");
}
