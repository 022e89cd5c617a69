/**
 * A folder of its own for one test, removed with all it holds when it is disposed of.
 *
 * `using dir = tempDir()` or `await using dir = tempDir()`. Short, so that Unix socket paths (108 bytes) fit in it.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class TempDir implements Disposable, AsyncDisposable {
  readonly path: string;

  constructor(prefix: string) {
    this.path = mkdtempSync(join(tmpdir(), `${prefix}-`));
    // As a runtime directory of root it must be open to the users that servers become.
    chmodSync(this.path, 0o755);
  }

  /** The path of `name` in this folder; nothing is created. */
  join(...names: string[]): string {
    return join(this.path, ...names);
  }

  /** Writes a file and returns its path. */
  write(name: string, content: string): string {
    const path = this.join(name);
    writeFileSync(path, content);
    return path;
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true, maxRetries: 3 });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this[Symbol.dispose]();
    return Promise.resolve();
  }
}

/** @param prefix start of the folder's name, kept short. */
export function tempDir(prefix = "baton"): TempDir {
  return new TempDir(prefix);
}
