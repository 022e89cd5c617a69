/**
 * Recognises a jar of Spring Boot: `java -jar app.jar` does not say what it runs. Its loader's classes are the first entries of
 * the archive, and names of entries are not compressed. Pure: the caller reads the file.
 */
import { commandLine } from "./command_line.ts";
import { interpreterOf, scriptIndex } from "./interpreters.ts";
import { baseName } from "./wrappers.ts";

/** Bytes of the file in which the loader's first name is. Seen with 2.7 to 3.5: within the first 2 kB. */
export const JAR_HEAD_BYTES = 64 * 1024;

/** Where the loader's classes are, in a jar, and in the name of the main class where the jar has been unpacked. */
const LOADER = "org/springframework/boot/loader/";
const ZIP_ENTRY = "PK\x03\x04";

/** @returns the path in `java ... -jar PATH`; null: another command */
export function jarOf(argv: readonly string[]): string | null {
  const [program = "", ...words] = commandLine(argv).argv;
  const java = interpreterOf(baseName(program));
  if (java === null || baseName(program) !== "java") return null;
  const at = scriptIndex(java, words);
  return words[at - 1] === "-jar" ? words[at] ?? null : null;
}

/** @param bytes the first of the file; null: it cannot be read */
export function isSpringBootJar(bytes: Uint8Array | null): boolean {
  if (bytes === null) return false;
  const text = new TextDecoder("latin1").decode(bytes);
  return text.startsWith(ZIP_ENTRY) && text.includes(LOADER);
}

/** @param name a main class, as in `java org.springframework.boot.loader.launch.JarLauncher` */
export function isSpringBootLoader(name: string): boolean {
  return name.startsWith(LOADER.replaceAll("/", "."));
}
