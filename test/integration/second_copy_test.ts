/**
 * The promise: what a second copy meets in the first one is seen, and is said by name: files that both write to, a lock
 * that one waits for, a pid file or a socket. And a copy that cannot serve does nothing to the one that does.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { findPython, fixture, required, which } from "../support/programs.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const PAGE = 4096;
/** Longer than a start on a busy machine, so that a lock is all that is missing. */
const SHORT_READY = ["--ready-timeout", "4s"];

async function start(work: TempDir, mode: string, flags: readonly string[] = []) {
  const file = work.join(["pidfile", "signals", "restarts"].includes(mode) ? "a.pid" : "file");
  const isDatabase = mode === "sqlite";
  if (["writes", "maps", "appends", "locks", "polls", "silent"].includes(mode)) {
    writeFileSync(file, new Uint8Array(PAGE));
  }
  const port = await freePort();
  const baton = await startBaton({
    command: [required("python3", findPython()), fixture("second_copy.py"), `--pid=${file}`],
    env: { MODE: mode, FILE: isDatabase ? work.join("a.db") : file, PORT: String(port) },
    flags,
  });
  return { baton, file, port };
}

async function servesStill(baton: Baton, port: number): Promise<void> {
  assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
  assert.equal((await baton.status()).epoch, 0, baton.stderr);
}

describe("a file that both generations write to", () => {
  for (const [mode, how] of [["writes", "open"], ["maps", "mapped"]] as const) {
    test(`is reported: ${mode}`, TEST, async () => {
      using work = tempDir();
      const { baton: started, file } = await start(work, mode);
      await using baton = started;
      const { result, sharedFiles, doubt } = await baton.reload();
      assert.deepEqual([result, doubt], ["ok", null]);
      const [shared] = sharedFiles;
      assert.deepEqual([shared?.path, shared?.how], [file, how], baton.stderr);
      assert.deepEqual(shared?.holders.map(({ epoch, name }) => [epoch, name]), [
        [0, "python3"],
        [1, "python3"],
      ]);
      assert.match(baton.stderr, /error: generation 1 writes to \S+\/file, as generation 0 does/);
      assert.deepEqual((await baton.status()).lastReload?.sharedFiles, sharedFiles);
    });
  }

  test("is said by baton reload, with what to do", TEST, async () => {
    using work = tempDir();
    await using baton = (await start(work, "writes")).baton;
    const { code, stderr } = await baton.cli("reload");
    assert.equal(code, 0);
    assert.match(
      stderr,
      /\/file is written by both: generation 0 \(python3, pid \d+\) and generation 1/,
    );
    assert.match(stderr, /use --order stop-first/);
    assert.match((await baton.cli("status")).stdout, /\/file is written by both: generation 0/);
  });

  for (const mode of ["appends", "sqlite"]) {
    test(`is no fault where it is made for that: ${mode}`, TEST, async () => {
      using work = tempDir();
      await using baton = (await start(work, mode)).baton;
      const { result, sharedFiles } = await baton.reload();
      assert.deepEqual([result, sharedFiles], ["ok", []], baton.stderr);
    });
  }

  test("--shared-files refuse: the new generation fails, the old one serves", TEST, async () => {
    using work = tempDir();
    const { baton: started, port } = await start(work, "writes", ["--shared-files", "refuse"]);
    await using baton = started;
    const { code, stderr } = await baton.cli("reload");
    assert.equal(code, 70);
    assert.match(stderr, /it writes to \S+\/file, as generation 0 does/);
    assert.match(stderr, /the old generation keeps serving; nothing was lost/);
    await servesStill(baton, port);
  });

  test("--shared-files allow: is not looked for", TEST, async () => {
    using work = tempDir();
    await using baton = (await start(work, "writes", ["--shared-files", "allow"])).baton;
    const { result, sharedFiles } = await baton.reload();
    assert.deepEqual([result, sharedFiles], ["ok", []]);
    assert.doesNotMatch(baton.stderr, /writes to/);
  });
});

describe("a lock that the new generation needs and the old one holds", () => {
  for (const [mode, words] of [["locks", "waits for"], ["polls", "needs"]] as const) {
    test(`is named early, and in the reason: ${mode}`, TEST, async () => {
      using work = tempDir();
      const { baton: started, port, file } = await start(work, mode, SHORT_READY);
      await using baton = started;
      const report = baton.reload();
      const text = `${words} the lock on ${file}, held by generation 0 (python3, pid`;
      await waitUntil(() => baton.stderr.includes(`generation 1 ${text}`), {
        what: "it is logged",
      });
      assert.equal((await baton.status()).lastReload, null, "the reload is not over");
      if (mode === "polls") return void report.catch(() => {});
      const { result, reason } = await report;
      assert.equal(result, "failed");
      assert.ok(reason?.includes(`it ${text}`), String(reason));
      assert.match(reason ?? "", /use --order stop-first/);
      await servesStill(baton, port);
    });
  }

  test("--shared-files refuse: is not waited for", TEST, async () => {
    using work = tempDir();
    const { baton: started, port } = await start(work, "locks", ["--shared-files", "refuse"]);
    await using baton = started;
    const { result, reason } = await baton.reload();
    assert.equal(result, "failed");
    assert.match(reason ?? "", /^it waits for the lock on/);
    await servesStill(baton, port);
  });
});

describe("a copy that exits because of the first one", () => {
  const words: readonly (readonly [string, RegExp])[] = [
    ["silent", /generation 0 holds the lock on \S+\/file \(python3, pid \d+\)/],
    ["pidfile", /generation 0 holds the pid file \S+\/a\.pid \(python3, pid \d+\)/],
    ["unix", /it binds the datagram socket unix:\S+\/file, which is not handed over: say --order/],
  ];
  for (const [mode, pattern] of words) {
    test(`without a word: what it may have met is said: ${mode}`, TEST, async () => {
      using work = tempDir();
      const { baton: started, port } = await start(work, mode);
      await using baton = started;
      const { result, reason } = await baton.reload();
      assert.equal(result, "failed");
      assert.match(reason ?? "", pattern);
      await servesStill(baton, port);
    });
  }

  test(
    "and tells it by a signal to replace itself: that signal does not arrive",
    TEST,
    async () => {
      using work = tempDir();
      const { baton: started, port } = await start(work, "signals");
      await using baton = started;
      const { code, stderr } = await baton.cli("reload");
      assert.equal(code, 70);
      assert.match(
        stderr,
        /it tried to send SIGUSR2 to generation 0 \(python3, pid \d+\), which baton refused/,
      );
      assert.match(stderr, /nothing was lost/);
      await servesStill(baton, port);
      assert.ok(!baton.stdout.includes("got USR2"), baton.stdout);
    },
  );

  test("and tells it otherwise: it is not said that nothing has happened", TEST, async () => {
    using work = tempDir();
    const { baton: started, file } = await start(work, "restarts");
    await using baton = started;
    await waitUntil(() => existsSync(`${file}.asks`), { what: "it listens for the other copy" });
    const { code, stderr } = await baton.cli("reload");
    assert.equal(code, 70);
    assert.match(
      stderr,
      /generation 0 serves, but perhaps not as before: it has started processes/,
    );
    assert.match(stderr, /of its own: sleep \(pid \d+\) meanwhile/);
    const { stdout } = await baton.cli("status");
    assert.match(stdout, /the generation before it may not be as it was: it has started processes/);
    assert.doesNotMatch(stderr, /nothing was lost/);
  });
});

describe("a server that goes to the background before it listens", () => {
  async function daemon(work: TempDir, isReady: boolean) {
    if (isReady) writeFileSync(work.join("go"), "");
    const script = work.join("memcached");
    writeFileSync(script, readFileSync(fixture("goes_to_background.py")));
    return {
      command: [required("python3", findPython()), script],
      env: { PORT: String(await freePort()), GO: work.join("go") },
    };
  }

  test("baton run ends with 70, and says how to start it", TEST, async () => {
    using work = tempDir();
    const given = { ...await daemon(work, false), expectFailure: true };
    await using baton = await startBaton(given);
    assert.equal((await baton.exited).code, 70, baton.stderr);
    assert.match(baton.stderr, /exit status 0: it went to the background, and left python3 there/);
    assert.match(baton.stderr, /start it in the foreground/);
  });

  test("also when nothing shows any more whose process it left", TEST, async () => {
    using work = tempDir();
    const given = await daemon(work, false);
    const env = { ...given.env, CLEAN: "1" };
    await using baton = await startBaton({ ...given, env, expectFailure: true });
    const { code } = await baton.exited;
    writeFileSync(work.join("go"), "");
    assert.equal(code, 70, baton.stderr);
    assert.match(baton.stderr, /exit status 0: it went to the background, and left python3 there/);
  });

  test("one that listens first serves: there is no doubt about the one before", TEST, async () => {
    using work = tempDir();
    const given = await daemon(work, false);
    await using baton = await startBaton({ ...given, env: { ...given.env, FIRST: "1" } });
    const { result, reason, doubt } = await baton.reload();
    assert.deepEqual([result, reason, doubt], ["ok", null, null], baton.stderr);
  });

  const memcached = which("memcached");
  const skip = memcached === null ? "memcached is not installed" : false;
  test("memcached -d: with its own words", { ...TEST, skip }, async () => {
    await using baton = await startBaton({
      env: {},
      command: ["memcached", "-d", "-u", "root", "-l", "127.0.0.1", "-p", String(await freePort())],
      expectFailure: true,
    });
    await waitUntil(() => baton.exit !== null || /went to the background: /.test(baton.stderr), {
      what: "it has failed, or its daemon was quicker to listen than baton to see the first exit",
    });
    if (baton.exit === null) return;
    assert.equal(baton.exit.code, 70, baton.stderr);
    assert.match(baton.stderr, /start it in the foreground \(memcached: without -d\)/);
  });
});
