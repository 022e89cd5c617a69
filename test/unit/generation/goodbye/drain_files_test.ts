/** Files of --drain-call file:, which are there while a generation says goodbye, and never longer. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { DrainFiles } from "../../../../src/generation/goodbye/drain_files.ts";
import { tempDir } from "../../../support/temp_dir.ts";

describe("DrainFiles", () => {
  test("a file is there until its last user leaves it", () => {
    using dir = tempDir();
    const path = join(dir.path, "drain");
    const files = new DrainFiles();
    files.take(path);
    files.take(path);
    files.leave(path);
    assert.ok(existsSync(path), "another generation still says goodbye");
    files.clear(path);
    assert.ok(existsSync(path), "a generation that starts does not end another's goodbye");
    files.leave(path);
    assert.ok(!existsSync(path));
  });

  test("what an earlier baton left is removed before a server starts, and taken over by a drain", () => {
    using dir = tempDir();
    const path = join(dir.path, "drain");
    writeFileSync(path, "");
    new DrainFiles().clear(path);
    assert.ok(!existsSync(path));
    writeFileSync(path, "");
    const files = new DrainFiles();
    files.take(path);
    files.leave(path);
    assert.ok(!existsSync(path));
  });

  test("a file with anything in it, a directory, and a FIFO, stay", () => {
    using dir = tempDir();
    const [path, folder] = [join(dir.path, "note"), join(dir.path, "folder")];
    writeFileSync(path, "mine");
    mkdirSync(folder);
    const files = new DrainFiles();
    files.clear(path);
    files.take(path);
    files.leave(path);
    assert.equal(readFileSync(path, "utf8"), "mine");
    files.clear(folder);
    assert.ok(existsSync(folder));
    assert.throws(() => files.take(folder), /EISDIR/);
    const fifo = join(dir.path, "fifo");
    execFileSync("mkfifo", [fifo]);
    assert.throws(() => files.take(fifo), /no regular file/);
    files.leave(fifo);
    assert.ok(existsSync(fifo));
  });
});
