/**
 * The promise: what stands before a start (`--pre-flight`, `--min-free`) is asked before anything has changed. If it
 * says no, in whatever way, the old generation serves on, and `reload` exits 70 with the reason and the last words.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import type { ReloadReport } from "../../src/report/reload_report.ts";
import { type Baton, type BatonOptions, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { Blocker } from "../support/hook_log.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const EXIT_FAILED = 70;
const EXIT_BUSY = 75;
/** What ends a command then is not its time. */
const NO_TIMEOUT = ["--hook-timeout", "1h"];

function server(port: number, ...flags: string[]): BatonOptions {
  return { command: fixtureCommand("node_http.js"), env: { PORT: String(port) }, flags };
}

/** The reload fails for this reason; the old process serves on. */
async function fails(baton: Baton, reason: RegExp): Promise<string> {
  const before = await baton.settled();
  const { code, stdout, stderr } = await baton.cli("reload");
  assert.deepEqual([code, stdout], [EXIT_FAILED, ""], stderr);
  assert.match(stderr, reason);
  const after = await baton.settled();
  assert.deepEqual([after.epoch, after.restarts.failed], [
    before.epoch,
    before.restarts.failed + 1,
  ]);
  assert.equal(after.lastReload?.failedIn, "pre-flight");
  return stderr;
}

describe("--pre-flight", () => {
  test(
    "runs in the directory and environment of the next generation",
    TEST,
    async () => {
      using work = tempDir();
      for (const release of ["1", "2"]) mkdirSync(work.join(release));
      const current = work.join("current");
      symlinkSync(work.join("1"), current);
      const envFile = work.write("env", "RELEASE=first\n");
      const log = work.join("log");
      const told = '"$PWD $(pwd -P) $RELEASE $BATON_EPOCH $LISTEN_FDS$NOTIFY_SOCKET$(cat)"';
      const command = `ls /proc/$$/fd; echo ${told} >> ${log}`;
      const port = await freePort();
      await using baton = await startBaton({
        command: fixtureCommand("inherit_fd.js"),
        env: {},
        flags: [
          "--cwd",
          current,
          "--env-file",
          envFile,
          "--listen",
          `127.0.0.1:${port}`,
          "--pre-flight",
          command,
        ],
      });
      rmSync(current);
      symlinkSync(work.join("2"), current);
      work.write("env", "RELEASE=second\n");
      assert.equal((await baton.cli("reload")).code, 0, baton.stderr);
      const line = (release: string, name: string, epoch: number) =>
        `${current} ${work.join(release)} ${name} ${epoch} \n`;
      const expected = `${line("1", "first", 0)}${line("2", "second", 1)}`;
      assert.equal(readFileSync(log, "utf8"), expected);
      const descriptors = baton.stdout.split("\n").filter((text) => /^\d+$/.test(text));
      assert.deepEqual(descriptors, ["0", "1", "2", "0", "1", "2"], "it has no other");
    },
  );

  test(
    "says no by its exit status, by a signal, or by hanging",
    TEST,
    async () => {
      using work = tempDir();
      const script = work.write("check", "exit 0\n");
      const blocker = new Blocker(work);
      const flags = ["--pre-flight", `. ${script}`, "--hook-timeout", "3s"];
      await using baton = await startBaton(server(await freePort(), ...flags));

      work.write("check", "echo one; echo two >&2; exit 3\n");
      const status = await fails(baton, /generation 1: pre-flight "\. .*" failed: exit status 3\n/);
      assert.match(status, /its last output:\n {2}(one\n {2}two|two\n {2}one)\n$/);

      work.write("check", "kill -SEGV $$\n");
      const signal = await fails(baton, /pre-flight ".*" failed: killed by SIGSEGV\n/);
      assert.match(signal, /it printed nothing\n$/);

      work.write("check", `echo hanging; ${blocker.command}\n`);
      const hang = await fails(baton, /failed: not over within 3s \(--hook-timeout\)\n/);
      assert.match(hang, /its last output:\n {2}hanging\n$/);
      await blocker.gone();

      work.write("check", "exit 0\n");
      assert.equal((await baton.cli("reload")).code, 0, baton.stderr);
      assert.deepEqual((await baton.settled()).restarts, { ok: 1, failed: 3, crashes: 0 });
    },
  );

  test("cannot be run where the directory is gone, which is said", TEST, async () => {
    using work = tempDir();
    mkdirSync(work.join("site"));
    const flags = ["--cwd", work.join("site"), "--pre-flight", "true"];
    await using baton = await startBaton(server(await freePort(), ...flags));
    rmSync(work.join("site"), { recursive: true });
    await fails(
      baton,
      /pre-flight "true" failed: Cannot enter working directory ".*\/site": ENOENT/,
    );
  });

  test("of the first generation ends baton with an error", TEST, async () => {
    const flags = ["--pre-flight", "echo no configuration; exit 1"];
    const options = { ...server(await freePort(), ...flags), expectFailure: true };
    await using baton = await startBaton(options);
    assert.equal((await baton.exited).code, EXIT_FAILED);
    assert.match(baton.stdout, /^no configuration$/m);
    assert.match(baton.stderr, /generation 0 failed: pre-flight ".*" failed: exit status 1/);
    assert.doesNotMatch(baton.stderr, /generation 0 starts/);
  });

  test("ends at once when baton is told to stop, and nothing of it is left", TEST, async () => {
    using work = tempDir();
    const blocker = new Blocker(work);
    const options = server(await freePort(), "--pre-flight", blocker.command, ...NO_TIMEOUT);
    await using baton = await startBaton({ ...options, expectFailure: true });
    await blocker.running();
    const { epoch, generations } = await baton.status();
    assert.equal(epoch, null);
    assert.deepEqual(generations.map(({ state, pid }) => [state, pid]), [["starting", null]]);
    assert.equal((await baton.stop()).code, 0, baton.stderr);
    await blocker.gone();
  });

  test("of a reload ends when baton is told to stop: who waits is told so", TEST, async () => {
    using work = tempDir();
    const blocker = new Blocker(work);
    const script = work.write("check", "exit 0\n");
    const flags = ["--pre-flight", `. ${script}`, ...NO_TIMEOUT];
    await using baton = await startBaton(server(await freePort(), ...flags));
    work.write("check", `${blocker.command}\n`);
    const reload = baton.cli("reload");
    await blocker.running();
    assert.equal((await baton.stop()).code, 0, baton.stderr);
    const { code, stderr } = await reload;
    assert.equal(code, EXIT_BUSY, stderr);
    assert.match(stderr, /reload refused: baton is stopping/);
    await blocker.gone();
  });
});

describe("--min-free", () => {
  test(
    "refuses a second copy, and says where free memory was read",
    TEST,
    async () => {
      const flags = ["--min-free", "1000T", "--pre-flight", "echo in vain"];
      await using baton = await startBaton(server(await freePort(), ...flags));
      const stdout = baton.stdout;
      const said = await fails(baton, /too little memory for a second copy: [\d.]+ [MGT]iB free/);
      assert.match(
        said,
        /free \((MemAvailable in \/proc\/meminfo|\/sys\/fs\/cgroup\S*)\), 1000 TiB/,
      );
      assert.match(said, /asked for \(--min-free 1000T\)\n/);
      assert.equal(baton.stdout, stdout, "nothing else was run");
    },
  );

  test("refuses when a part of all is asked for that is not free", TEST, async () => {
    await using baton = await startBaton(server(await freePort(), "--min-free", "100%"));
    await fails(baton, /too little memory for a second copy: .* \(--min-free 100%\)/);
  });

  for (const size of ["1M", "auto"]) {
    test(`lets a reload pass with ${size}`, TEST, async () => {
      await using baton = await startBaton(server(await freePort(), "--min-free", size));
      const { code, stdout, stderr } = await baton.cli("reload");
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^ {2}pre-flight \d+ ms, starting \d+ ms/m, "it has looked");
      assert.doesNotMatch(baton.stderr, /cannot be seen/);
    });
  }

  test("is not asked for a restart after a crash: that is no second copy", TEST, async () => {
    await using baton = await startBaton(server(await freePort(), "--min-free", "1000T"));
    const [generation] = (await baton.status()).generations;
    process.kill(generation?.pid ?? 0, "SIGKILL");
    const { epoch } = await waitUntil(async () => {
      const status = await baton.status();
      return status.epoch === 1 && status;
    }, { what: `another generation serves\n${baton.stderr}` });
    assert.equal(epoch, 1);
  });
});

describe("baton reload --json", () => {
  test(
    "tells the phases, and where a reload has failed",
    TEST,
    async () => {
      using work = tempDir();
      const script = work.write("check", "exit 0\n");
      const flags = ["--pre-flight", `. ${script}`, "--hook", "ready=true"];
      await using baton = await startBaton(server(await freePort(), ...flags));
      const good = await baton.cli("reload", "--json");
      const report: ReloadReport = JSON.parse(good.stdout);
      assert.deepEqual([good.code, report.result, report.epoch, report.replaced], [0, "ok", 1, 0]);
      assert.deepEqual([report.failedIn, report.connections], [null, null]);
      assert.deepEqual(report.phases.map(({ phase, epoch }) => `${phase} ${epoch}`), [
        "pre-flight 1",
        "starting 1",
        "probing 1",
        "ready 1",
        "draining 0",
      ]);
      const times = report.phases.map(({ durationMs }) => durationMs);
      assert.equal(times.pop(), null, "that goes on");
      const sum = times.reduce<number>((all, time) => all + (time ?? NaN), 0);
      // Each is rounded; between request and start, and after the switch, there is a little more.
      const most = report.durationMs + times.length;
      assert.ok(sum > 0 && sum <= most, `${times} of ${report.durationMs}`);

      work.write("check", "echo bad; exit 1\n");
      const bad = await baton.cli("reload", "--json");
      const failure: ReloadReport = JSON.parse(bad.stdout);
      assert.deepEqual([bad.code, failure.result, failure.failedIn], [
        EXIT_FAILED,
        "failed",
        "pre-flight",
      ]);
      assert.deepEqual([failure.replaced, failure.output], [null, ["bad"]]);
      assert.deepEqual(failure.phases.map(({ phase }) => phase), ["pre-flight"]);
    },
  );
});
