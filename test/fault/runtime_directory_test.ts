/** Fault: a directory or file that baton needs cannot be used or trusted. Allowed outcome: 64, one message, and nothing is left behind. */
import assert from "node:assert/strict";
import { chmodSync, chownSync, existsSync, readdirSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { tempDir } from "../support/temp_dir.ts";
import { AS_NOBODY, nothingLeftIn, refuses, tracingServer } from "../support/refusals.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };

const EXIT_USAGE = 64;

const NOBODY = 65_534;

const isRoot = process.getuid?.() === 0;

describe("a runtime directory that cannot be used or trusted is refused with 64", () => {
  const remedy = /Use --runtime-dir with a directory of your own/;

  test("a runtime directory that cannot be made is refused", TEST, async () => {
    using work = tempDir();
    const file = work.write("file", "");
    for (const directory of [file, `${file}/below`]) {
      const words = ["--runtime-dir", directory, "--", ...tracingServer(work)];
      const names = new RegExp(`Cannot create runtime directory ${directory}: `);
      await refuses(work, words, { code: EXIT_USAGE, names, remedy });
    }
  });

  test("a runtime directory that others may write to is refused", TEST, async () => {
    using work = tempDir();
    for (const mode of [0o777, 0o775, 0o757, 0o1777]) {
      using directory = tempDir();
      chmodSync(directory.path, mode);
      const words = ["--runtime-dir", directory.path, "--", ...tracingServer(work)];
      const names = new RegExp(`Cannot trust .* ${directory.path}: others may write to it`);
      await refuses(work, words, { code: EXIT_USAGE, names, remedy });
      assert.deepEqual(readdirSync(directory.path), []);
    }
  });

  test("a runtime directory that may not be written to is refused", {
    ...TEST,
    skip: isRoot && AS_NOBODY.skip,
  }, async () => {
    using work = tempDir();
    using directory = tempDir();
    chmodSync(work.path, 0o755);
    chmodSync(directory.path, 0o555);
    const words = ["--runtime-dir", directory.path, "--", ...tracingServer(work)];
    const names = /Cannot write to the runtime directory: .*EACCES/;
    // To root modes mean nothing.
    const uid = isRoot ? NOBODY : undefined;
    await refuses(work, words, { code: EXIT_USAGE, names, remedy }, uid);
    assert.deepEqual(readdirSync(directory.path), []);
  });

  test("a runtime directory of another user is refused", {
    ...TEST,
    skip: !isRoot && "needs root, to give a directory away",
  }, async () => {
    using work = tempDir();
    using directory = tempDir();
    chownSync(directory.path, NOBODY, NOBODY);
    const words = ["--runtime-dir", directory.path, "--", ...tracingServer(work)];
    const names = new RegExp(`Cannot trust .* ${directory.path}: it belongs to user ${NOBODY}`);
    await refuses(work, words, { code: EXIT_USAGE, names, remedy });
    assert.deepEqual(readdirSync(directory.path), []);
  });

  test(
    "a runtime directory whose path is too long for a Unix socket is refused",
    TEST,
    async () => {
      using work = tempDir();
      const directory = work.join("x".repeat(100));
      const words = ["--runtime-dir", directory, "--", ...tracingServer(work)];
      const names = /Cannot use runtime directory .*\d+ bytes long, and 107 fit/;
      await refuses(work, words, { code: EXIT_USAGE, names, remedy: /shorter path/ });
      assert.equal(existsSync(directory), false);
    },
  );
});

describe("a file that cannot be written is refused with 64", () => {
  for (const flag of ["--pidfile", "--log-file"]) {
    test(`a ${flag} that cannot be written is refused`, TEST, async () => {
      using work = tempDir();
      using directory = tempDir();
      const path = work.join("missing", "file");
      const pidfile = work.join("web.pid");
      const words = ["--runtime-dir", directory.path, flag, path];
      if (flag !== "--pidfile") words.push("--pidfile", pidfile);
      await refuses(work, [...words, "--", ...tracingServer(work)], {
        code: EXIT_USAGE,
        names: new RegExp(`Cannot write ${flag}.*${path}.*ENOENT`),
        remedy: null,
      });
      assert.equal(existsSync(pidfile), false, "no pidfile is left behind");
      await nothingLeftIn(directory.path);
    });
  }
});
