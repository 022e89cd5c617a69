/** Who removes a pidfile at its end: whoever has written it, and nobody of the same number. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { Pidfile } from "../../../../src/cli/service/endpoints/pidfile.ts";
import { tempDir } from "../../../support/temp_dir.ts";

describe("Pidfile", () => {
  test("remove() leaves the successor's file, though that has the same number", () => {
    using dir = tempDir();
    const path = dir.join("pid");
    // Two containers, and both batons are process 1 of theirs.
    const [old, successor] = [new Pidfile(path, process.pid), new Pidfile(path, process.pid)];
    old.take();
    successor.takeOver();
    old.remove();
    assert.equal(readFileSync(path, "utf8"), `${process.pid}\n`);
    successor.removeOld();
    successor.remove();
    assert.deepEqual([path, `${path}.oldbin`].filter(existsSync), []);
  });

  test("remove() removes what this process has taken in place, and what it has taken back", () => {
    using dir = tempDir();
    const path = dir.join("pid");
    const before = new Pidfile(path, process.pid);
    before.take();
    const inPlace = new Pidfile(path, process.pid);
    inPlace.take();
    const successor = new Pidfile(path, process.pid);
    successor.takeOver();
    inPlace.takeOver();
    inPlace.removeOld();
    successor.remove();
    assert.equal(existsSync(path), true, "the one that goes on keeps it");
    inPlace.remove();
    assert.equal(existsSync(path), false);
  });

  test("remove() without a file of its own touches nothing", () => {
    using dir = tempDir();
    const path = dir.write("pid", `${process.pid}\n`);
    new Pidfile(path, process.pid).remove();
    assert.equal(existsSync(path), true);
  });
});
