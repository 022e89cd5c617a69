/** A secret in a file: what is read, and what is refused. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import { readPrivateFile } from "../../src/platform/files/private_file.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { tempDir } from "../support/temp_dir.ts";

const OPTIONS = { timeout: TEST_TIMEOUT_MS };

function read(path: string): string {
  return readPrivateFile(path, (why, remedy) => new Error(`${why}; ${remedy}`), "write it");
}

describe("readPrivateFile()", () => {
  for (const mode of [0o600, 0o400, 0o640, 0o644, 0o620, 0o604]) {
    const isPrivate = (mode & 0o027) === 0;
    test(`${isPrivate ? "reads" : "refuses"} a file of mode ${mode.toString(8)}`, OPTIONS, () => {
      using dir = tempDir();
      const path = dir.join("secret");
      assert.equal(
        spawnSync("sh", ["-c", `umask 0; printf s > ${path}; chmod ${mode.toString(8)} ${path}`])
          .status,
        0,
      );
      if (isPrivate) assert.equal(read(path), "s");
      else assert.throws(() => read(path), /its mode is 0\d+: .*; chmod 0600/);
    });
  }

  test("does not wait for the writer of a named pipe", OPTIONS, () => {
    using dir = tempDir();
    const path = dir.join("pipe");
    assert.equal(spawnSync("mkfifo", ["-m", "600", path]).status, 0);
    assert.throws(() => read(path), /it is not a file; write it/);
  });
});
