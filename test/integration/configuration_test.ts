/**
 * The promise: options come from the command line, the environment or baton.toml, a reload reads the file again, and a
 * file that is wrong changes nothing.
 */
import assert from "node:assert/strict";
import { chownSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { batonCommand, runCommand, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { perlServer } from "../support/perl_server.ts";
import { servingPid } from "../support/serving_pid.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const EXIT_USAGE = 64;
const EXIT_FAILED = 70;
const AS_ROOT = process.getuid?.() === 0;
const NOBODY = 65534;

interface Release {
  readonly word: string;
  readonly more?: string;
  readonly env?: string;
}

function deploy(dir: TempDir, port: number, { word, more = "", env = word }: Release): void {
  const command = JSON.stringify([...perlServer(port), word]);
  dir.write("baton.toml", `command = ${command}\n${more}\n[env]\nRELEASE = "${env}"\n`);
}

async function answer(port: number): Promise<string> {
  return await (await fetch(`http://127.0.0.1:${port}/`)).text();
}

describe("options", () => {
  test("come from the nearest place, and a server gets none of the variables", TEST, async () => {
    using dir = tempDir();
    const port = await freePort();
    deploy(dir, port, { word: "one", more: 'drain_time = "3s"\nstop_time = "3s"\nquiet = "3s"' });
    await using baton = await startBaton({
      command: [],
      flags: ["--drain-time", "1s"],
      env: { BATON_DRAIN_TIME: "2s", BATON_STOP_TIME: "2s", BATON_QUIT: "1s", PWD: dir.path },
      cwd: dir.path,
    });
    assert.equal(await answer(port), "one one");
    assert.match(baton.stderr, /options are read from baton.toml, found in the working directory/);
    assert.match(baton.stderr, /options are taken from BATON_STOP_TIME\n/);
    assert.match(baton.stderr, /BATON_QUIT is no option: did you mean BATON_QUIET\?/);
    const env = readFileSync(`/proc/${servingPid(await baton.settled())}/environ`, "utf8").split(
      "\0",
    );
    const names = env.map((entry) => entry.split("=")[0]);
    const found = ["BATON_EPOCH", "BATON_DRAIN_TIME", "BATON_STOP_TIME", "BATON_QUIT"]
      .filter((name) => names.includes(name));
    assert.deepEqual(found, ["BATON_EPOCH", "BATON_QUIT"]);
  });

  test("a reload reads the file again, and says what must wait", TEST, async () => {
    using dir = tempDir();
    const port = await freePort();
    deploy(dir, port, { word: "one" });
    await using baton = await startBaton({ command: [], env: { PWD: dir.path }, cwd: dir.path });
    deploy(dir, port, { word: "two", more: "backlog = 7\ndrain_time = 5" });
    const { code, stderr } = await baton.cli("reload");
    assert.equal(code, 0, stderr);
    assert.match(
      stderr,
      /not yet, because .*: backlog: 7 instead of 4096; "baton upgrade" applies it/,
    );
    assert.equal(await answer(port), "two two");
    assert.match(baton.stderr, /configuration: drain_time: 5 instead of "1m"/);
  });

  test(
    "a file that is wrong or gone fails the reload, and the old generation keeps what it has",
    TEST,
    async () => {
      using dir = tempDir();
      const port = await freePort();
      deploy(dir, port, { word: "one" });
      await using baton = await startBaton({ command: [], env: { PWD: dir.path }, cwd: dir.path });
      deploy(dir, port, { word: "two", more: "backlgo = 7" });
      const wrong = await baton.cli("reload");
      assert.equal(wrong.code, EXIT_FAILED);
      assert.match(wrong.stderr, /Unknown key "backlgo" in .*baton.toml: did you mean "backlog"\?/);
      rmSync(dir.join("baton.toml"));
      const gone = await baton.cli("reload");
      assert.equal(gone.code, EXIT_FAILED);
      assert.match(gone.stderr, /Cannot read baton.toml in .* again: it is gone/);
      assert.equal(await answer(port), "one one");
      deploy(dir, port, { word: "three" });
      assert.equal((await baton.cli("reload")).code, 0);
      assert.equal(await answer(port), "three three");
    },
  );

  test(
    "after a release that fails, a crash is replaced with what served before",
    TEST,
    async () => {
      using dir = tempDir();
      const port = await freePort();
      deploy(dir, port, { word: "one", more: 'umask = "027"' });
      await using baton = await startBaton({ command: [], env: { PWD: dir.path }, cwd: dir.path });
      // A plan is good when its generation has been replaced without trouble, or has served for a while.
      deploy(dir, port, { word: "two", more: 'umask = "027"' });
      assert.equal((await baton.cli("reload")).code, 0);
      writeFileSync(dir.join("baton.toml"), 'command = ["false"]\numask = "077"\n');
      assert.equal((await baton.cli("reload")).code, EXIT_FAILED);
      const before = servingPid(await baton.settled());
      process.kill(before, "SIGKILL");
      const pid = await waitUntil(async () => {
        const now = servingPid(await baton.settled());
        return now === before ? null : now;
      }, { what: "the server is replaced" });
      assert.equal((await answer(port)).split(" ").length, 2);
      assert.match(readFileSync(`/proc/${pid}/status`, "utf8"), /^Umask:\s+0027$/m);
    },
  );
});

describe("baton check", () => {
  const check = (dir: TempDir, ...words: string[]) =>
    runCommand([...batonCommand(), "check", ...words], {
      cwd: dir.path,
      env: { BATON_RAMP: "3s" },
    });

  test("shows what counts and where it is from", TEST, async () => {
    using dir = tempDir();
    deploy(dir, 1, { word: "one" });
    const { code, stdout, stderr } = await check(dir, "--quiet", "2s");
    assert.equal(code, 0, stderr);
    for (
      const line of [
        /^quiet = "2s" +# --quiet$/m,
        /^ramp = "3s" +# BATON_RAMP$/m,
        /^command = .* # baton.toml$/m,
      ]
    ) {
      assert.match(stdout, line);
    }
    const json = JSON.parse((await check(dir, "--json")).stdout);
    assert.deepEqual(json.options.ramp, { value: "3s", from: "BATON_RAMP" });
  });

  test("ends as run would", TEST, async () => {
    using dir = tempDir();
    const cases: [words: string[], code: number][] = [
      [["--", "true"], 0],
      [["--", "no-such-program"], 127],
      [["--user", "no-such-user", "--", "true"], EXIT_USAGE],
      [["--env-file", "none", "--", "true"], EXIT_USAGE],
      [["--hold", "--bake", "1s", "--", "true"], EXIT_USAGE],
      [["--no-config"], EXIT_USAGE],
    ];
    for (const [words, code] of cases) {
      assert.equal((await check(dir, ...words)).code, code, words.join(" "));
    }
  });

  test("knows Spring Boot by its jar", TEST, async () => {
    using dir = tempDir();
    const java = dir.join("java");
    writeFileSync(java, "#!/bin/sh\n", { mode: 0o755 });
    mkdirSync(dir.join("app"));
    writeFileSync(dir.join("app/app.jar"), "PK\x03\x04META-INF/org/springframework/boot/loader/");
    const presetOf = async (...words: string[]) => {
      const { stdout, stderr } = await check(dir, "--json", ...words);
      return stdout === "" ? stderr : JSON.parse(stdout).options.preset.value;
    };
    assert.equal(await presetOf("--", java, "-jar", "app/app.jar"), "spring-boot");
    assert.equal(await presetOf("--cwd", "app", "--", java, "-jar", "app.jar"), "spring-boot");
    writeFileSync(dir.join("baton.toml"), `command = ["${java}", "-jar", "app/app.jar"]\n`);
    assert.equal(await presetOf(), "spring-boot");
    rmSync(dir.join("app/app.jar"));
    assert.equal(await presetOf(), null);
  });

  const skip = AS_ROOT ? false : "only root may give a file to another user";
  test("does not trust a file that another user has put there", { ...TEST, skip }, async () => {
    using dir = tempDir();
    deploy(dir, 1, { word: "one" });
    chownSync(dir.join("baton.toml"), NOBODY, NOBODY);
    const { code, stderr } = await check(dir);
    assert.equal(code, EXIT_USAGE);
    assert.match(
      stderr,
      /Cannot trust baton.toml, found in the working directory: it belongs to user 65534/,
    );
    assert.equal((await check(dir, "--config", "baton.toml")).code, 0);
    assert.equal((await check(dir, "--no-config", "--", "true")).code, 0);
  });
});
