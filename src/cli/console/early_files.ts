/** What the command line is read with before it is known which command it is. */
import { lstatSync } from "node:fs";
import { JAR_HEAD_BYTES } from "../../config/servers/spring_boot.ts";
import { firstBytes } from "../../platform/files/first_bytes.ts";
import { FOUND_NAME } from "../words/early_words.ts";

/** Whether the working directory has a baton.toml, or a link of that name, wherever it leads. */
export function isConfigHere(): boolean {
  try {
    return lstatSync(FOUND_NAME, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}

/** @returns the first bytes of a jar, which say what `java -jar` runs; null: it cannot be read */
export function readJar(path: string): Uint8Array | null {
  return firstBytes(path, JAR_HEAD_BYTES);
}
