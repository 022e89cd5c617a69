/** One certificate for all fronts of a test file. */
import process from "node:process";
import { certificate } from "../certificate.ts";
import { type TempDir, tempDir } from "../temp_dir.ts";

let made: { dir: TempDir; lines: string } | null = null;

/** @returns the two lines of [front] */
export function certificateLines(): string {
  if (made === null) {
    const dir = tempDir("cert");
    const { TLS_CERT, TLS_KEY } = certificate(dir);
    made = { dir, lines: `certificate = "${TLS_CERT}"\nprivate_key = "${TLS_KEY}"` };
    process.on("exit", () => dir[Symbol.dispose]());
  }
  return made.lines;
}
