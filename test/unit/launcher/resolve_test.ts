/** From the first word of a command to a program: found, not found (127), not executable (126). */
import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, symlinkSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { resolveProgram } from "../../../src/launcher/resolve.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";
import { type TempDir, tempDir } from "../../support/temp_dir.ts";
import { testPlatform } from "../../support/test_platform.ts";

const isRoot = process.getuid!() === 0;

/** A folder `bin` with `good` and `plain` (not executable), `sub/good`, links, and a file `file`. */
function scene(): TempDir {
  const dir = tempDir();
  mkdirSync(dir.join("bin", "sub"), { recursive: true });
  mkdirSync(dir.join("other", "taken"), { recursive: true });
  mkdirSync(dir.join("empty"));
  for (const name of ["bin/good", "bin/sub/good", "other/good", "bin/taken", "bin/a b"]) {
    chmodSync(dir.write(name, "#!/bin/sh\n"), 0o755);
  }
  for (const name of ["bin/plain", "file"]) chmodSync(dir.write(name, "text\n"), 0o644);
  symlinkSync("good", dir.join("bin", "link"));
  symlinkSync("missing", dir.join("bin", "dangling"));
  symlinkSync("loop", dir.join("bin", "loop"));
  return dir;
}

/** $ stands for the scene's folder. */
interface Case {
  readonly program: string;
  readonly path?: string;
  readonly cwd?: string;
  readonly found?: string;
  readonly fails?: readonly [status: number, message: string];
}

const CASES: readonly Case[] = [
  { program: "good", path: "$/bin", found: "$/bin/good" },
  { program: "good", path: "$/other:$/bin", found: "$/other/good" },
  { program: "good", path: "$/none:$/empty:$/bin", found: "$/bin/good" },
  { program: "a b", path: "$/bin", found: "$/bin/a b" },
  { program: "link", path: "$/bin", found: "$/bin/link" },
  { program: "good", path: "bin", cwd: "$", found: "$/bin/good" },
  { program: "good", path: "", cwd: "$/bin", found: "$/bin/good" },
  { program: "good", path: "$/empty:", cwd: "$/bin", found: "$/bin/good" },
  { program: "sh", found: "/usr/bin/sh|/bin/sh|/usr/local/bin/sh" },

  { program: "$/bin/good", found: "$/bin/good" },
  { program: "./good", cwd: "$/bin", found: "$/bin/good" },
  { program: "bin/good", cwd: "$", path: "/nowhere", found: "$/bin/good" },
  { program: "../other/good", cwd: "$/bin", found: "$/other/good" },
  { program: "sub/good", cwd: "$/bin", found: "$/bin/sub/good" },

  // A hit that cannot be executed is passed over, and remembered.
  { program: "taken", path: "$/other:$/bin", found: "$/bin/taken" },
  { program: "good", path: "$/file:$/bin", found: "$/bin/good" },
  {
    program: "taken",
    path: "$/other",
    fails: [126, '^Cannot execute "$/other/taken": it is a dir'],
  },
  {
    program: "plain",
    path: "$/bin:$/empty",
    fails: [
      126,
      '^Cannot execute "$/bin/plain": no execute permission, try: chmod \\+x $/bin/plain$',
    ],
  },

  { program: "none", path: "$/bin", fails: [127, '^Cannot find program "none" in PATH: '] },
  { program: "dangling", path: "$/bin", fails: [127, '^Cannot find program "dangling" in PATH'] },
  { program: "loop", path: "$/bin", fails: [127, '^Cannot find program "loop" in PATH'] },
  { program: "good", path: "$/file", fails: [127, '^Cannot find program "good" in PATH'] },
  { program: "x".repeat(300), path: "$/bin", fails: [127, "^Cannot find program"] },
  { program: "$/bin/none", fails: [127, '^Cannot find program "$/bin/none": no file $/bin/none$'] },
  { program: "./none", cwd: "$", fails: [127, '^Cannot find program "./none": no file $/none$'] },
  { program: "$/file/below", fails: [127, '^Cannot find program "$/file/below": no file'] },
  { program: "$/bin/dangling", fails: [127, "no file $/bin/dangling$"] },
  { program: "$/bin/loop", fails: [127, "no file $/bin/loop$"] },
  { program: "$/bin", fails: [126, '^Cannot execute "$/bin": it is a directory$'] },
  { program: "$/file", fails: [126, '^Cannot execute "$/file": no execute permission'] },
];

const { files } = await testPlatform();

describe("resolveProgram()", () => {
  for (const { program, path, cwd = "/", found, fails } of CASES) {
    const where = path === undefined ? "" : ` in PATH "${path}"`;
    const outcome = found ?? `status ${fails![0]}`;
    const shown = program.length > 40 ? `${program.slice(0, 8)}...` : program;
    test(`${shown}${where} from ${cwd} is ${outcome}`, { timeout: TEST_TIMEOUT_MS }, () => {
      using dir = scene();
      const fill = (text: string) =>
        text.replaceAll("$/", `${dir.path}/`).replace(/^\$$/, dir.path);
      const searchPath = path === undefined ? undefined : fill(path);
      const resolution = resolveProgram(fill(program), searchPath, fill(cwd), files);
      if (fails === undefined) {
        assert.equal(resolution.kind, "found", JSON.stringify(resolution));
        const paths = fill(found!).split("|");
        assert.ok(resolution.kind === "found" && paths.includes(resolution.path));
        return;
      }
      const [status, message] = fails;
      assert.equal(resolution.kind, "failed", JSON.stringify(resolution));
      if (resolution.kind !== "failed") return;
      assert.equal(resolution.status, status);
      assert.match(resolution.message, new RegExp(fill(message)));
    });
  }

  test("passes over a folder of PATH that may not be searched", {
    skip: isRoot && "root may search everything",
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    using dir = scene();
    chmodSync(dir.join("other"), 0o000);
    const searched = `${dir.join("other")}:${dir.join("bin")}`;
    const found = resolveProgram("good", searched, "/", files);
    assert.deepEqual(found, { kind: "found", path: dir.join("bin", "good") });
    const missing = resolveProgram("none", searched, "/", files);
    assert.equal(missing.kind === "failed" && missing.status, 127);
    const named = resolveProgram(dir.join("other", "good"), undefined, "/", files);
    assert.equal(named.kind === "failed" && named.status, 126);
    assert.match(named.kind === "failed" ? named.message : "", /no permission to search/);
    chmodSync(dir.join("other"), 0o755);
  });

  test("takes another user's program that its group or others may execute", {
    skip: !isRoot && "only root can give a file away",
    timeout: TEST_TIMEOUT_MS,
  }, () => {
    using dir = scene();
    const path = dir.join("bin", "good");
    chownSync(path, 65534, 65534);
    chmodSync(path, 0o711);
    assert.equal(resolveProgram("good", dir.join("bin"), "/", files).kind, "found");
  });
});
