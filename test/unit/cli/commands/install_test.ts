/** `baton install`: what is in its way is named. */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { describe, test } from "node:test";
import { commandInstall } from "../../../../src/cli/commands/install.ts";
import type { Platform } from "../../../../src/platform/platform.ts";
import { tempDir } from "../../../support/temp_dir.ts";

describe("commandInstall()", () => {
  const platform = { runtime: { selfCommand: ["/bin/sh"], pid: 7 } } as unknown as Platform;
  const print = { out: () => {} } as unknown as Parameters<typeof commandInstall>[2];
  const install = (directory: string) =>
    commandInstall(platform, { verb: "install", directory }, print);

  test("copies the program, and makes the directory", () => {
    using dir = tempDir();
    assert.equal(install(dir.join("a", "b")), 0);
    assert.deepEqual(readdirSync(dir.join("a", "b")), ["baton"]);
  });

  test("refuses a directory that is a file, or below one", () => {
    using dir = tempDir();
    const file = dir.write("file", "");
    for (const path of [file, `${file}/below`, "/dev/null"]) {
      assert.throws(() => install(path), (error: Error) => {
        assert.equal(error.name, "UserError");
        assert.match(error.message, new RegExp(`^Cannot install ${path}/baton: `));
        return true;
      });
    }
    assert.ok(existsSync(file));
  });
});
