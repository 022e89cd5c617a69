/**
 * What execve(2) gave this process, as bytes (`bytes.ts`): in the runtimes' own words for it each byte that is not
 * UTF-8 is U+FFFD.
 */
import { readFileSync } from "node:fs";
import { decodeBytes } from "../bytes.ts";
import { parseEnvironment } from "../process/environment.ts";
import { environBytes } from "./environ.ts";
import type { Runtime } from "./runtime.ts";

/**
 * @param known the arguments after the program or script, as the runtime reports them
 * @returns the same ones, which are the last of the command line; `known` where that was overwritten
 */
export function givenArguments(known: readonly string[]): readonly string[] {
  const words = stringsIn("/proc/self/cmdline") ?? [];
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

/** The environment that this process was started with. */
export function givenEnvironment(viewOf: Runtime["viewOf"]): Record<string, string> {
  return parseEnvironment(splitStrings(environBytes(viewOf)));
}

function stringsIn(path: string): string[] | null {
  try {
    return splitStrings(readFileSync(path));
  } catch {
    return null;
  }
}

function splitStrings(bytes: Uint8Array): string[] {
  return decodeBytes(bytes).split("\0").slice(0, -1);
}
