/** Looking at files whose names are not UTF-8, and that Deno's and Bun's own functions cannot be asked about. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { C } from "../../src/platform/libc/constants.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { leakedSince, openDescriptors } from "../support/open_descriptors.ts";
import { systemCallError } from "../support/system_call_error.ts";
import { tempDir } from "../support/temp_dir.ts";
import { testPlatform } from "../support/test_platform.ts";

const timeout = TEST_TIMEOUT_MS;
const ODD = "caf\udce9 \u{1f680}";

/** Made by open(2) itself, which takes any bytes. */
function write({ descriptors }: Platform, path: string, content = ""): string {
  using fd = descriptors.open(path, C.O_WRONLY | C.O_CREAT, 0o644);
  descriptors.writeAll(fd, new TextEncoder().encode(content));
  return path;
}

const failure = (call: string, code: string) => systemCallError({ call, code, subject: /^\// });

describe("Files", () => {
  test("at() looks at any path, and leaves nothing open", { timeout }, async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    const before = openDescriptors();
    const path = write(platform, `${dir.path}/${ODD}`, "content");
    const { files } = platform;
    assert.equal(files.at(path, (name) => readFileSync(name, "utf8")), "content");
    assert.equal(files.at(path, (name) => statSync(name)).size, 7);
    assert.throws(() => files.at(`${path}x`, () => {}), failure("open", "ENOENT"));
    assert.deepEqual(leakedSince(before), []);
  });

  test("list() has every entry, as its bytes", { timeout }, async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    assert.deepEqual(platform.files.list(dir.path), []);
    const many = Array.from({ length: 700 }, (_, i) => `${"long".repeat(12)}${i}`);
    const names = [ODD, "\udcff", "..data", ".\udce9", "x", ...many];
    for (const name of names) write(platform, `${dir.path}/${name}`);
    mkdirSync(dir.join("directory"));
    assert.deepEqual(platform.files.list(dir.path).sort(), [...names, "directory"].sort());
    assert.throws(
      () => platform.files.list(dir.join("x")),
      failure("getdents64", "ENOTDIR"),
    );
    assert.throws(() => platform.files.list(dir.join("none")), failure("open", "ENOENT"));
  });

  test("realPath() follows links to any path", { timeout }, async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    write(platform, `${dir.path}/plain`);
    symlinkSync("plain", dir.join("link"));
    assert.equal(platform.files.realPath(dir.join("link")), `${dir.path}/plain`);
    const odd = write(platform, `${dir.path}/${ODD}`);
    assert.equal(
      platform.files.realPath(`${dir.path}/../${dir.path.split("/").at(-1)}/${ODD}`),
      odd,
    );
    symlinkSync("none", dir.join("dangling"));
    assert.throws(
      () => platform.files.realPath(dir.join("dangling")),
      failure("open", "ENOENT"),
    );
  });

  test("canExecute() asks about what a link leads to", { timeout }, async () => {
    await using platform = await testPlatform();
    using dir = tempDir();
    const odd = write(platform, `${dir.path}/${ODD}`);
    writeFileSync(dir.join("plain"), "");
    symlinkSync("plain", dir.join("link"));
    const executable = () => [odd, dir.join("link")].map((path) => platform.files.canExecute(path));
    assert.deepEqual(executable(), [false, false]);
    platform.files.at(odd, (name) => chmodSync(name, 0o755));
    chmodSync(dir.join("plain"), 0o755);
    assert.deepEqual(executable(), [true, true]);
    assert.equal(platform.files.canExecute(dir.join("none")), false);
  });
});
