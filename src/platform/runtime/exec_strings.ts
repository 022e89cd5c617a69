/**
 * The strings that execve(2) gave this process, as bytes (`bytes.ts`): in the runtimes' own copies each byte that is not
 * UTF-8 is U+FFFD. The shipped binary's C library has no environment: it is taken away before Bun starts
 * (scripts/binary/own_environment.ts).
 */
import { readFileSync } from "node:fs";
import { decodeBytes } from "../bytes.ts";
import { parseEnvironment } from "../process/environment.ts";
import { commandLineOf } from "../process/proc.ts";
import type { Runtime } from "./runtime.ts";

/** proc_pid_stat(5): the program may have overwritten neither; counted from 1. */
const ENV_START = 50;
const ENV_END = 51;
const FIRST_BEHIND_NAME = 3;

/**
 * @param known the arguments after the program or script, as the runtime reports them
 * @returns the same ones, which are the last of the command line; `known` where that was overwritten
 */
export function givenArguments(known: readonly string[]): readonly string[] {
  const words = commandLineOf("self");
  const last = words.slice(words.length - known.length);
  const isSame = last.length === known.length &&
    last.every((word, i) => ascii(word) === ascii(known[i]!));
  return isSame ? last : known;
}

/** The part of an argument that the runtimes report correctly. */
function ascii(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[^\x00-\x7f]/g, "");
}

export function givenEnvironment(viewOf: Runtime["viewOf"]): Record<string, string> {
  return parseEnvironment(decodeBytes(environBytes(viewOf)).split("\0").slice(0, -1));
}

/** @returns NAME=VALUE, each with a NUL behind it, as execve(2) was given them */
export function environBytes(viewOf: Runtime["viewOf"]): Uint8Array {
  try {
    return readFileSync("/proc/self/environ");
  } catch {
    // The file belongs to root where the program file has capabilities (setcap) or may not be read by its user.
    return environMemory(viewOf);
  }
}

/** The environment from where it is in this process's memory. */
export function environMemory(viewOf: Runtime["viewOf"]): Uint8Array {
  const stat = readFileSync("/proc/self/stat", "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [start = 0, end = 0] = [ENV_START, ENV_END].map((n) =>
    Number(fields[n - FIRST_BEHIND_NAME])
  );
  return end > start ? viewOf(start, end - start).slice() : new Uint8Array(0);
}
