/** Who removes a pidfile at its end: whoever has written it, and nobody of the same number. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
} from "node:fs";
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

  test("takes the place of no device, FIFO or directory, nor moves it", () => {
    using dir = tempDir();
    const [device, fifo, folder] = [dir.join("device"), dir.join("fifo"), dir.join("folder")];
    symlinkSync("/dev/null", device);
    execFileSync("mkfifo", [fifo]);
    mkdirSync(folder);
    for (const path of [device, fifo, folder]) {
      const pidfile = new Pidfile(path, process.pid);
      const refusal = new RegExp(`^Cannot write --pidfile ${path}: it is not a file$`);
      assert.throws(() => pidfile.take(), { message: refusal });
      assert.throws(() => pidfile.takeOver(), { message: refusal });
    }
    assert.deepEqual(readdirSync(dir.path).sort(), ["device", "fifo", "folder"]);
    assert.equal(readlinkSync(device), "/dev/null");
  });

  test("remove() without a file of its own touches nothing", () => {
    using dir = tempDir();
    const path = dir.write("pid", `${process.pid}\n`);
    new Pidfile(path, process.pid).remove();
    assert.equal(existsSync(path), true);
  });
});
