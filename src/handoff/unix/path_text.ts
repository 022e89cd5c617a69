/** The path that a call names, read from its caller's memory. */
import { readPath } from "../../platform/files/thread_path.ts";
import { readMemory } from "../../platform/process/proc.ts";
import type { PathCall } from "./path_call.ts";
import { ADDRESS_SIZE, pathInAddress } from "./unix_name.ts";

interface PathTexts {
  readonly target: string | null;
  /** The path that is renamed, in a rename(2). */
  readonly source: string | null;
}

/** @returns the paths; null for one that cannot be read, or is not there */
export function pathTextsOf(tid: number, call: PathCall): PathTexts {
  if (call.kind === "connect") {
    return { target: pathAt(tid, call.target.address, call.length), source: null };
  }
  const target = readPath(tid, call.target.address);
  return { target, source: call.kind === "rename" ? readPath(tid, call.source.address) : null };
}

/** @param length of a struct sockaddr_un */
export function pathAt(tid: number, address: number, length: number): string | null {
  const bytes = addressAt(tid, address, length);
  return bytes && pathInAddress(bytes);
}

export function addressAt(tid: number, address: number, length: number): Uint8Array | null {
  return readMemory(tid, address, Math.min(length, ADDRESS_SIZE));
}

export function lastComponent(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
