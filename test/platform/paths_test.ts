/** Paths of other threads, and what is done to names in a directory: numbers and calls, against the kernel. */
import assert from "node:assert/strict";
import { chmodSync, linkSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { SystemCallError } from "../../src/platform/error.ts";
import { Directory, withUmask } from "../../src/platform/files/directory.ts";
import { readPath, resolveForThread } from "../../src/platform/files/thread_path.ts";
import { cString } from "../../src/platform/libc/libc.ts";
import { C } from "../../src/platform/libc/constants.ts";
import { P, pathCallsOf } from "../../src/platform/libc/path_calls.ts";
import { fileIdentityOf } from "../../src/platform/process/file_identity.ts";
import { evaluate, findCompiler, hasHeader } from "../support/c_compiler.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { tempDir } from "../support/temp_dir.ts";
import { testPlatform, testRuntime } from "../support/test_platform.ts";

const timeout = TEST_TIMEOUT_MS;
const compiler = findCompiler();
const skip = compiler === null || !hasHeader(compiler, "linux/openat2.h")
  ? "there is no C compiler with the kernel's headers"
  : false;

test("the numbers are those of the headers", { skip, timeout }, async () => {
  const runtime = await testRuntime();
  const calls = pathCallsOf(runtime.arch);
  // Headers may be older than a call, and an architecture may lack it.
  const optional = Object.fromEntries(
    Object.keys(calls).map((name) => [name, name.replace("SYS_", "__NR_")]),
  );
  const theirs = evaluate(compiler!, { headers: ["asm/unistd.h"], expressions: {}, optional });
  for (const [name, number] of Object.entries(calls)) {
    const their = theirs.get(name) ?? null;
    if (their !== null) assert.equal(number, their, name);
    else assert.ok(number === -1 || name === "SYS_fchmodat2", name);
  }
  const headers = ["fcntl.h", "linux/fs.h", "linux/openat2.h"];
  const expressions = Object.fromEntries(Object.keys(P).map((name) => [name, name]));
  assert.deepEqual({ ...P }, Object.fromEntries(evaluate(compiler!, { headers, expressions })));
});

describe("Directory", () => {
  test(
    "exchanges two names in one step, and replaces where there is one",
    { timeout },
    async () => {
      using work = tempDir();
      await using platform = await testPlatform();
      using directory = Directory.open(platform.libc, work.path);
      writeFileSync(work.join("a"), "a");
      writeFileSync(work.join("b"), "b");
      const [a, b] = [directory.stat("a")?.key, directory.stat("b")?.key];
      assert.equal(directory.exchange("a", "b"), true);
      assert.deepEqual([directory.stat("a")?.key, directory.stat("b")?.key], [b, a]);
      assert.equal(directory.exchange("a", "c"), false);
      assert.deepEqual([directory.stat("a"), directory.stat("c")?.key], [null, b]);
      assert.throws(
        () => directory.exchange("none", "b"),
        (error: SystemCallError) => error.errno === C.ENOENT && error.message.includes(work.path),
      );
    },
  );

  test("changes mode and owner, and removes", { timeout }, async () => {
    using work = tempDir();
    await using platform = await testPlatform();
    using directory = Directory.open(platform.libc, work.path);
    withUmask(platform.libc, 0o137, () => writeFileSync(work.join("a"), ""));
    assert.equal(directory.stat("a")?.mode, 0o640);
    directory.changeMode("a", 0o600);
    assert.equal(directory.stat("a")?.mode, 0o600);
    directory.changeOwner("a", -1, -1);
    if (process.getuid?.() === 0) {
      directory.changeOwner("a", 65534, -1);
      assert.equal(directory.stat("a")?.uid, 65534);
    }
    directory.remove("a");
    assert.equal(directory.stat("a"), null);
    assert.throws(() => directory.remove("a"), SystemCallError);
    writeFileSync(work.join("b"), "");
    assert.equal(statSync(work.join("b")).mode & 0o777, 0o666 & ~fileIdentityOf(process.pid).umask);
  });

  test("stays the same when it is renamed, and is told from another of its name", {
    timeout,
  }, async () => {
    using work = tempDir();
    await using platform = await testPlatform();
    mkdirSync(work.join("d"));
    chmodSync(work.join("d"), 0o2755);
    using directory = Directory.open(platform.libc, work.join("d"));
    assert.equal(directory.givesGroup, true);
    const { key } = directory;
    using parent = Directory.open(platform.libc, work.path);
    parent.rename("d", "e");
    assert.equal(directory.path, work.join("e"));
    assert.equal(directory.key, key);
    mkdirSync(work.join("d"));
    assert.throws(() => Directory.open(platform.libc, work.join("d"), key), /another directory/);
  });
});

describe("resolveForThread()", () => {
  test("finds one directory by all its paths, and the last component as it is", {
    timeout,
  }, async () => {
    using work = tempDir();
    await using platform = await testPlatform();
    mkdirSync(work.join("real"));
    symlinkSync("real", work.join("link"));
    symlinkSync(work.join("real"), work.join("absolute"));
    writeFileSync(work.join("real/file"), "");
    linkSync(work.join("real/file"), work.join("real/hard"));
    using open = platform.descriptors.open(work.join("real"), C.O_PATH);
    const key = Directory.open(platform.libc, work.join("real")).key;
    const at = (path: string, dirfd: number = C.AT_FDCWD) => {
      const found = resolveForThread(platform, process.pid, dirfd, path);
      using directory = found?.directory;
      return found && { key: directory?.key, name: found.name };
    };
    const s = { key, name: "s" };
    for (const folder of ["real", "link", "absolute", "real/../link/."]) {
      assert.deepEqual(at(`${work.join(folder)}/s`), s, folder);
    }
    assert.deepEqual(at("s", open.number), s);
    assert.deepEqual(at("../link/s", open.number), s);
    assert.equal(at(work.join("none/s")), null);
    assert.equal(at(`${work.path}/`), null);
    assert.equal(at(".."), null);
    assert.equal(at("a\udc80"), null);
  });

  test("reads a path from memory, to its NUL", { timeout }, async () => {
    await using platform = await testPlatform();
    for (const text of ["", "/run/s", "x".repeat(300)]) {
      const bytes = cString(text);
      assert.equal(readPath(process.pid, platform.libc.addressOf(bytes)), text);
    }
    assert.equal(readPath(process.pid, 0), null);
  });
});
