/** The promise: program, environment file and working directory are resolved at each reload; when one is broken the old generation serves on. */
import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { describe, test } from "node:test";
import { type Baton, type BatonOptions, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { alive, children } from "../support/proc.ts";
import { fixtureCommand } from "../support/servers.ts";
import { servingPid } from "../support/serving_pid.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";
import { answered } from "../support/broken_deploy.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };

/** A reload that fails with this text; the old generation serves on. */
async function fails(baton: Baton, text: string): Promise<void> {
  const pid = servingPid(await baton.settled());
  const result = await baton.cli("reload");
  assert.equal(result.code, 70, result.stderr);
  assert.ok(result.stderr.includes(text), `"${text}" is in:\n${result.stderr}`);
  const after = await baton.settled();
  assert.equal(servingPid(after), pid);
  const newest = after.generations.reduce((a, b) => a.epoch > b.epoch ? a : b);
  assert.equal(newest.outcome, "failed");
  assert.ok(newest.reason?.includes(text), `"${text}" is in: ${newest.reason}`);
  assert.deepEqual(children(baton.pid), [pid]);
}

/** A reload that succeeds after those that failed; nothing was lost meanwhile. */
async function succeedsWithoutLoss(baton: Baton, load: Load): Promise<void> {
  const { code, stderr } = await baton.cli("reload");
  assert.equal(code, 0, stderr);
  const pid = servingPid(await baton.settled());
  await waitUntil(() => load.tally.byBody.get(pid), { what: `the new process ${pid} answers` });
  const tally = await load.stop();
  assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
}

/** A shell script that becomes the ordinary server. */
function serverScript(version: string, interpreter = "/bin/sh"): string {
  const words = fixtureCommand("node_http.js").map((word) => `'${word}'`);
  return `#!${interpreter}\nVERSION=${version} exec ${words.join(" ")}\n`;
}

/** Replaced by rename: a file that is being executed cannot be written. */
function writeProgram(path: string, script: string): string {
  writeFileSync(`${path}.new`, script);
  chmodSync(`${path}.new`, 0o755);
  renameSync(`${path}.new`, path);
  return path;
}

describe("what a generation is started with is resolved anew, and may be broken", () => {
  test("the program is gone, or may not be executed", TEST, async () => {
    using work = tempDir();
    const port = await freePort();
    const program = writeProgram(work.join("server"), serverScript("1"));
    await using baton = await startBaton({ command: [program], env: { PORT: String(port) } });
    await using load = new Load({ port }).start();

    chmodSync(program, 0o644);
    await fails(baton, `Cannot execute "${program}": no execute permission, try: chmod +x`);
    renameSync(program, `${program}.gone`);
    await fails(baton, `Cannot find program "${program}": no file ${program}`);
    renameSync(`${program}.gone`, program);
    chmodSync(program, 0o755);
    await succeedsWithoutLoss(baton, load);
  });

  test("the interpreter of the program is missing", TEST, async () => {
    using work = tempDir();
    const port = await freePort();
    const program = writeProgram(work.join("server"), serverScript("1"));
    await using baton = await startBaton({ command: [program], env: { PORT: String(port) } });
    await using load = new Load({ port }).start();

    writeProgram(program, serverScript("2", "/no/such/interpreter"));
    await fails(baton, `Cannot execute "${program}": the interpreter in its first line`);
    writeProgram(program, serverScript("2"));
    await succeedsWithoutLoss(baton, load);
  });

  test("the environment file is malformed, or gone", TEST, async () => {
    using work = tempDir();
    const port = await freePort();
    const envFile = work.write("server.env", `PORT=${port}\n`);
    await using baton = await startBaton({
      command: fixtureCommand("node_http.js"),
      env: {},
      flags: ["--env-file", envFile],
    });
    await using load = new Load({ port }).start();

    writeFileSync(envFile, `PORT=${port}\nVERSION 2\n`);
    await fails(baton, `Cannot read ${envFile} line 2`);
    rmSync(envFile);
    await fails(baton, `Cannot read --env-file ${envFile}`);
    mkdirSync(envFile);
    await fails(baton, `Cannot read --env-file ${envFile}`);
    rmSync(envFile, { recursive: true });
    writeFileSync(envFile, `PORT=${port}\nVERSION=2\n`);
    await succeedsWithoutLoss(baton, load);
    assert.ok(load.tally.byVersion.has("2"), formatTally(load.tally));
  });

  test("the working directory is gone", TEST, async () => {
    using work = tempDir();
    const port = await freePort();
    const directory = work.join("release");
    mkdirSync(directory);
    await using baton = await startBaton({
      command: fixtureCommand("node_http.js"),
      env: { PORT: String(port), PWD: directory },
      cwd: directory,
    });
    await using load = new Load({ port }).start();

    rmSync(directory, { recursive: true });
    await fails(baton, `Cannot enter working directory "${directory}": ENOENT`);
    writeFileSync(directory, "not a directory");
    await fails(baton, `Cannot enter working directory "${directory}": ENOTDIR`);
    rmSync(directory);
    mkdirSync(directory);
    await succeedsWithoutLoss(baton, load);
  });
});

/** Two ways to be in the directory that a symlink names. */
const IN_CURRENT: Readonly<Record<string, (current: string) => Partial<BatonOptions>>> = {
  "--cwd names it": (current) => ({ flags: ["--cwd", current], env: {} }),
  "baton was started in it": (current) => ({ cwd: current, env: { PWD: current } }),
};

describe("a symlink that moves to the next release is followed", () => {
  for (const [way, options] of Object.entries(IN_CURRENT)) {
    test(`a symlink is followed: ${way}`, TEST, async () => {
      using work = tempDir();
      const port = await freePort();
      const current = work.join("current");
      for (const release of ["1", "2"]) {
        mkdirSync(work.join(release));
        // The server is told apart by its directory alone: the command line stays the same.
        writeFileSync(work.join(release, "server.sh"), serverScript(release), { mode: 0o755 });
      }
      symlinkSync(work.join("1"), current);
      const { env, ...rest } = options(current);
      await using baton = await startBaton({
        command: ["./server.sh"],
        env: { PORT: String(port), ...env },
        ...rest,
      });
      await using load = new Load({ port }).start();
      const old = servingPid(await baton.status());
      assert.equal(readlinkSync(`/proc/${old}/cwd`), work.join("1"));
      await answered(load, "1");

      symlinkSync(work.join("2"), `${current}.new`);
      renameSync(`${current}.new`, current);
      const { code, stderr } = await baton.cli("reload");
      assert.equal(code, 0, stderr);
      const serving = servingPid(await baton.settled());
      assert.equal(readlinkSync(`/proc/${serving}/cwd`), work.join("2"));
      assert.equal(alive(old), false);
      await answered(load, "2");
      const tally = await load.stop();
      assert.equal(tally.lost, 0, formatTally(tally));
    });
  }
});
