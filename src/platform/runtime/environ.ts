/**
 * The environment that this process was started with, from the kernel. The shipped binary's C library has none: it is
 * taken away before Bun starts (scripts/empty_environment.ts).
 */
import { readFileSync } from "node:fs";
import type { Runtime } from "./runtime.ts";

/** proc_pid_stat(5): the program may have overwritten neither; counted from 1. */
const ENV_START = 50;
const ENV_END = 51;
const FIRST_BEHIND_NAME = 3;

/** @returns NAME=VALUE, each with a NUL behind it, as execve(2) was given them */
export function environBytes(viewOf: Runtime["viewOf"]): Uint8Array {
  try {
    return readFileSync("/proc/self/environ");
  } catch {
    // It is root's where the program file has capabilities (setcap) or may not be read by its user.
    return environMemory(viewOf);
  }
}

/** The same from where it is in this process. */
export function environMemory(viewOf: Runtime["viewOf"]): Uint8Array {
  const stat = readFileSync("/proc/self/stat", "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [start = 0, end = 0] = [ENV_START, ENV_END].map((n) =>
    Number(fields[n - FIRST_BEHIND_NAME])
  );
  return end > start ? viewOf(start, end - start).slice() : new Uint8Array(0);
}
