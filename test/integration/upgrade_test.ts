/**
 * The promise: baton itself can be replaced, by USR2 or `baton upgrade`, and no connection is lost; a new
 * baton that is no good changes nothing.
 */
import assert from "node:assert/strict";
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, batonCommand, startBaton, UNDER_TEST } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { findBun, findDeno, REPOSITORY, required } from "../support/programs.ts";
import { alive, killTree } from "../support/proc.ts";
import { repeats } from "../support/repeats.ts";
import { fixtureCommand, place, server } from "../support/servers.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const UPGRADES = repeats({ full: 20, quick: 3 });

/** The pid of the baton that answers now. */
async function leader(baton: Baton): Promise<number> {
  return (await baton.status()).pid;
}

/** Waits until another baton than `old` answers and `old` has ended. */
async function replaced(baton: Baton, old: number): Promise<number> {
  return await waitUntil(async () => {
    const pid = await leader(baton);
    return pid !== old && !alive(old) ? pid : null;
  }, { what: `baton ${old} is replaced\n${baton.stderr}`, deadlineMs: 30_000 });
}

/** A script that runs a baton which differs only in the version of what is handed over. */
function otherVersion(work: TempDir): string {
  const bundle = readFileSync(join(REPOSITORY, "dist", `baton.${UNDER_TEST}.js`), "utf8");
  const changed = bundle.replace(/HANDOVER_VERSION = \d+/, "HANDOVER_VERSION = 999");
  assert.notEqual(changed, bundle);
  const path = work.write("other_version.js", changed);
  const run = UNDER_TEST === "deno"
    ? [required("deno", findDeno()), "run", "-A", "--no-config"]
    : [required("bun", findBun())];
  return `#!/bin/sh\nexec ${[...run, path].map((word) => `"${word}"`).join(" ")} "$@"\n`;
}

/** Stops the newest baton, which is no child of ours any more. */
async function stopNewest(baton: Baton): Promise<void> {
  const pid = await leader(baton);
  try {
    const stopped = await baton.cli("stop");
    assert.equal(stopped.code, 0, stopped.stderr);
  } finally {
    if (alive(pid)) killTree(pid);
  }
  assert.equal(alive(pid), false);
}

describe("upgrade of baton itself", () => {
  test(
    `${UPGRADES} upgrades by USR2 in a row lose nothing`,
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      using work = tempDir();
      const port = await freePort();
      const pidfile = work.join("pid");
      await using baton = await startBaton({
        ...place(server("node"), { port, workDir: work.path }),
        flags: ["--pidfile", pidfile],
      });
      await using load = new Load({ port }).start();
      let counters = (await baton.status()).restarts;
      let pid = await leader(baton);
      for (let i = 1; i <= UPGRADES; i++) {
        process.kill(pid, "SIGUSR2");
        pid = await replaced(baton, pid);
        const snapshot = await baton.status();
        assert.equal(snapshot.epoch, i);
        assert.ok(snapshot.restarts.ok >= counters.ok, "counters never go back");
        counters = snapshot.restarts;
      }
      await waitUntil(() => !existsSync(`${pidfile}.oldbin`), { what: "the old pidfile is gone" });
      assert.equal(readFileSync(pidfile, "utf8").trim(), String(pid));
      // A reload after all that is as good as ever.
      assert.equal((await baton.reload()).result, "ok");
      const tally = await load.stop();
      assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
      process.stderr.write(`  ${UPGRADES} upgrades: ${formatTally(tally)}\n`);
      const snapshot = await baton.status();
      assert.equal(
        snapshot.listeners.filter(({ members }) => members.some((m) => m.receiving)).length,
        1,
      );
      await stopNewest(baton);
      assert.equal(existsSync(pidfile), false, "the pidfile is removed by the last one");
    },
  );

  const twoBuilds = UNDER_TEST === "deno" && "a Deno bundle has no binary to copy";
  test("upgrades between two builds of the binary", {
    timeout: TEST_TIMEOUT_MS,
    skip: twoBuilds,
  }, async () => {
    using work = tempDir();
    const port = await freePort();
    const builds = ["baton-1", "baton-2"].map((name) => {
      const path = work.join(name);
      copyFileSync(batonCommand()[0] ?? "", path);
      chmodSync(path, 0o755);
      return path;
    });
    await using baton = await startBaton(place(server("node"), { port, workDir: work.path }));
    await using load = new Load({ port }).start();
    for (const build of [...builds, ...builds]) {
      const upgraded = await baton.cli("upgrade", "--exec", build, "--json");
      assert.equal(upgraded.code, 0, upgraded.stderr);
      const { pid } = JSON.parse(upgraded.stdout);
      assert.equal(readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")[0], build);
    }
    const tally = await load.stop();
    assert.equal(tally.lost, 0, formatTally(tally));
    await stopNewest(baton);
  });

  test("a new baton that is no good changes nothing", { timeout: TEST_TIMEOUT_MS }, async () => {
    using work = tempDir();
    const port = await freePort();
    await using baton = await startBaton(place(server("node"), { port, workDir: work.path }));
    await using load = new Load({ port }).start();
    const script = (name: string, text: string, mode = 0o755) => {
      const path = work.write(name, text);
      chmodSync(path, mode);
      return path;
    };
    const bad: [program: string, reason: RegExp][] = [
      [work.join("missing"), /Cannot find program .*missing/],
      [script("not_executable", "#!/bin/sh\n", 0o644), /no execute permission/],
      [script("exits", "#!/bin/sh\nexit 3\n"), /ended before it served/],
      [script("no_format", "\x7f\x7f"), /Cannot execute/],
      [
        script("of_another_version", otherVersion(work)),
        /the new baton speaks handover version 999, this one 1/,
      ],
    ];
    const before = await baton.status();
    for (const [program, reason] of bad) {
      const upgraded = await baton.cli("upgrade", "--exec", program);
      assert.equal(upgraded.code, 70, upgraded.stderr);
      assert.match(upgraded.stderr, reason);
      const after = await baton.status();
      assert.equal(after.pid, before.pid);
      assert.equal(after.epoch, before.epoch);
    }
    assert.equal((await baton.reload()).result, "ok", "it steers again");
    const tally = await load.stop();
    assert.equal(tally.lost, 0, formatTally(tally));
  });

  test("a new baton whose generation fails its gate leaves the old one alone", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    const port = await freePort();
    const target = work.join("target");
    const { deploy } = await import("../support/servers.ts");
    deploy(target, place(server("node"), { port, workDir: work.path }));
    await using baton = await startBaton({
      command: fixtureCommand("switch.sh"),
      env: { TARGET_FILE: target },
      flags: ["--ready-timeout", "5s"],
    });
    await using load = new Load({ port }).start();
    deploy(target, { command: fixtureCommand("exits_at_once.js"), env: {} });
    const before = await baton.status();
    const upgraded = await baton.cli("upgrade");
    assert.equal(upgraded.code, 70, upgraded.stderr);
    assert.match(upgraded.stderr, /exit status 3/);
    const after = await baton.status();
    assert.equal(after.pid, before.pid);
    assert.equal(after.epoch, before.epoch);
    deploy(target, place(server("node"), { port, workDir: work.path, version: "2" }));
    assert.equal((await baton.reload()).result, "ok");
    const tally = await load.stop();
    assert.equal(tally.lost, 0, formatTally(tally));
  });

  test("a handoff socket that cannot be replaced keeps the names from nobody", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    const [pidfile, shared] = [work.join("pid"), work.join("shared")];
    mkdirSync(shared);
    await using baton = await startBaton({
      ...place(server("node"), { port: await freePort(), workDir: work.path }),
      flags: ["--pidfile", pidfile, "--handoff-socket", join(shared, "handoff")],
    });
    const before = await leader(baton);
    rmSync(shared, { recursive: true });
    const upgraded = await baton.cli("upgrade", "--json");
    assert.equal(upgraded.code, 0, upgraded.stderr);
    const { pid } = JSON.parse(upgraded.stdout);
    try {
      assert.equal(await replaced(baton, before), pid);
      assert.equal(readFileSync(pidfile, "utf8").trim(), String(pid));
      assert.match(baton.stderr, /no baton can take over from this one: .*handoff/);
      await stopNewest(baton);
    } finally {
      if (alive(pid)) killTree(pid);
    }
  });

  test(
    "while a version drains that was rolled back: it gets nothing, and no number is given twice",
    {
      timeout: TEST_TIMEOUT_MS,
    },
    async () => {
      using work = tempDir();
      const port = await freePort();
      const version = work.write("version", "1");
      const script = 'VERSION="$(cat "$0")"; export VERSION; exec "$@"';
      await using baton = await startBaton({
        command: ["sh", "-c", script, version, ...fixtureCommand("node_http.js")],
        env: { PORT: String(port) },
      });
      work.write("version", "2");
      assert.equal((await baton.cli("reload", "--hold")).code, 0, baton.stderr);
      const client = createConnection({ port, host: "127.0.0.1" });
      client.resume();
      client.write("GET / HTTP/1.1\r\n");
      const isIn = async () =>
        (await baton.status()).generations.find(({ epoch }) => epoch === 1)?.connections.busy === 1;
      await waitUntil(isIn, { what: "a request is being sent" });
      assert.equal((await baton.cli("rollback")).code, 0, baton.stderr);
      work.write("version", "1");
      await using load = new Load({ port }).start();
      await load.answersMore(20);
      const old = await leader(baton);
      const upgraded = await baton.cli("upgrade");
      assert.equal(upgraded.code, 0, `${upgraded.stderr}\n${baton.stderr}`);
      assert.equal((await baton.status()).epoch, 2);
      await load.answersMore(50);
      client.end("Host: a\r\nConnection: close\r\n\r\n");
      await replaced(baton, old);
      await load.answersMore(50);
      const tally = await load.stop();
      assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
      assert.deepEqual([...tally.byVersion.keys()], ["1"]);
      await stopNewest(baton);
    },
  );

  test("two upgrades at once: one is refused", { timeout: TEST_TIMEOUT_MS }, async () => {
    using work = tempDir();
    const port = await freePort();
    await using baton = await startBaton(place(server("node"), { port, workDir: work.path }));
    const results = await Promise.all([baton.cli("upgrade"), baton.cli("upgrade")]);
    assert.deepEqual(results.map(({ code }) => code).sort(), [0, 75], JSON.stringify(results));
    await stopNewest(baton);
  });

  test("it does not become another program in place while the old one drains", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    const port = await freePort();
    await using baton = await startBaton(place(server("node"), { port, workDir: work.path }));
    const client = createConnection({ port, host: "127.0.0.1" });
    client.resume();
    client.write("GET / HTTP/1.1\r\n");
    await waitUntil(async () => (await baton.status()).generations[0]?.connections.busy === 1, {
      what: "a request is being sent",
    });
    assert.equal((await baton.cli("upgrade")).code, 0, baton.stderr);
    const pid = await leader(baton);
    const refused = await baton.cli("upgrade", "--in-place");
    assert.equal(refused.code, 75, refused.stderr);
    assert.match(refused.stderr, /the old baton still drains/);
    client.end("Host: a\r\nConnection: close\r\n\r\n");
    assert.equal((await baton.settled()).pid, pid);
    assert.equal((await baton.cli("upgrade", "--in-place")).code, 0, baton.stderr);
    assert.equal((await baton.settled()).pid, pid);
    await stopNewest(baton);
  });
});
