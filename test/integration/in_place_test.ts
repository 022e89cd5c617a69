/**
 * The promise: baton can become a new program in place, with the same process id and the same servers,
 * and nothing is lost; a program that is no good changes nothing.
 */
import assert from "node:assert/strict";
import { chmodSync, copyFileSync, readFileSync } from "node:fs";
import { createConnection } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import { batonCommand, startBaton, UNDER_TEST } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { KeptConnection } from "../support/kept_connection.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { repeats } from "../support/repeats.ts";
import { fixtureCommand, place, server } from "../support/servers.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const UPGRADES = repeats({ full: 20, quick: 3 });

describe("upgrade in place", () => {
  test(
    `${UPGRADES} upgrades in place in a row lose nothing`,
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      using work = tempDir();
      const port = await freePort();
      const builds = UNDER_TEST === "deno" ? [[]] : ["baton-1", "baton-2"].map((name) => {
        const path = work.join(name);
        copyFileSync(batonCommand()[0] ?? "", path);
        chmodSync(path, 0o755);
        return ["--exec", path];
      });
      await using baton = await startBaton(place(server("node"), { port, workDir: work.path }));
      await using load = new Load({ port }).start();
      assert.equal((await baton.reload()).result, "ok");
      await baton.settled();
      const before = await baton.status();
      const serverOf = (snapshot: typeof before) =>
        snapshot.generations.find(({ state }) => state === "serving")?.pid;
      for (let i = 1; i <= UPGRADES; i++) {
        const program = builds[i % builds.length] ?? [];
        const upgraded = await baton.cli("upgrade", "--in-place", "--json", ...program);
        assert.equal(upgraded.code, 0, `${upgraded.stderr}\n${baton.stderr}`);
        const after = await baton.status();
        assert.equal(after.pid, baton.pid);
        assert.equal(after.incarnation, i);
        assert.equal(after.epoch, before.epoch);
        assert.equal(serverOf(after), serverOf(before), "the server is the same process");
        assert.deepEqual(after.restarts, before.restarts);
        assert.deepEqual(after.lastReload, before.lastReload);
        assert.equal(after.startedAt, before.startedAt);
        assert.equal(after.self.watches, before.self.watches, "nothing is left behind");
        if (program[1] !== undefined) {
          assert.equal(
            readFileSync(`/proc/${baton.pid}/cmdline`, "utf8").split("\0")[0],
            program[1],
          );
        }
      }
      // It steers, reloads and stops as ever.
      assert.equal((await baton.reload()).result, "ok");
      const tally = await load.stop();
      assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
      process.stderr.write(`  ${UPGRADES} in place: ${formatTally(tally)}\n`);
      assert.equal((await baton.settled()).restarts.ok, before.restarts.ok + 1);
      assert.deepEqual(await baton.stop(), { code: 0, signal: null });
    },
  );

  test(
    "a draining generation is kept, and drained anew",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      const port = await freePort();
      await using baton = await startBaton({
        command: fixtureCommand("conversations.js"),
        env: { PORT: String(port) },
      });
      // It lasts as long as this test wants, however busy the machine is.
      using upload = new KeptConnection(port);
      upload.send(
        "POST /sum HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\na",
      );
      const old = (await baton.status()).generations[0]?.pid;
      await waitUntil(async () => (await baton.status()).generations[0]?.connections.busy === 1, {
        what: "the upload is under way",
      });
      assert.equal((await baton.reload()).result, "ok");
      const upgraded = await baton.cli("upgrade", "--in-place");
      assert.equal(upgraded.code, 0, upgraded.stderr);
      const draining = (await baton.status()).generations.find(({ state }) => state === "draining");
      assert.equal(draining?.pid, old);
      upload.send("b");
      assert.equal((await upload.answer()).status, 200);
      assert.equal((await baton.settled()).epoch, 1);
    },
  );

  test("a server that crashes afterwards is started again", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    const port = await freePort();
    await using baton = await startBaton(place(server("node"), { port, workDir: work.path }));
    assert.equal((await baton.cli("upgrade", "--in-place")).code, 0);
    const pid = (await baton.status()).generations[0]?.pid;
    process.kill(Number(pid), "SIGKILL");
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    assert.equal(answer.status, 200);
    const snapshot = await baton.settled();
    assert.equal(snapshot.epoch, 1);
    assert.equal(snapshot.restarts.crashes, 1);
  });

  test("signals that come meanwhile end nothing", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    const port = await freePort();
    await using baton = await startBaton(place(server("node"), { port, workDir: work.path }));
    const upgrading = baton.cli("upgrade", "--in-place");
    await waitUntil(() => baton.stderr.includes("becomes"), { what: "the exec" });
    for (const signal of ["SIGHUP", "SIGUSR1", "SIGHUP"] as const) baton.signal(signal);
    assert.equal((await upgrading).code, 0, baton.stderr);
    assert.equal((await baton.status()).incarnation, 1);
    // Bun may have swallowed them; the next one counts in any case.
    baton.signal("SIGHUP");
    await waitUntil(async () => Number((await baton.status()).epoch) >= 1, { what: "the reload" });
  });

  test("a program that is no good changes nothing", { timeout: TEST_TIMEOUT_MS }, async () => {
    using work = tempDir();
    const port = await freePort();
    await using baton = await startBaton(place(server("node"), { port, workDir: work.path }));
    await using load = new Load({ port }).start();
    const script = (name: string, text: string, mode = 0o755) => {
      const path = work.write(name, text);
      chmodSync(path, mode);
      return path;
    };
    const real = batonCommand().map((word) => `'${word}'`).join(" ");
    const state = work.join("state.json");
    // A baton that finds a state which it does not know: one of another version.
    const other = `sed 's/"version":[0-9]*/"version":0/' <&4 >'${state}'; exec 4<'${state}'`;
    const bad: [program: string, reason: RegExp][] = [
      [work.join("missing"), /Cannot find program .*missing/],
      [script("not_executable", "#!/bin/sh\n", 0o644), /no execute permission/],
      [script("exits", "#!/bin/sh\nexit 3\n"), /ended without an answer/],
      [script("no_format", "\x7f\x7f"), /Cannot execute/],
      [script("other", `#!/bin/sh\n${other}\nexec ${real} "$@"\n`), /version 0.*version 1/],
    ];
    const before = await baton.status();
    for (const [program, reason] of bad) {
      const upgraded = await baton.cli("upgrade", "--in-place", "--exec", program);
      assert.equal(upgraded.code, 70, upgraded.stderr);
      assert.match(upgraded.stderr, reason);
      const after = await baton.status();
      assert.equal(after.pid, before.pid);
      assert.equal(after.incarnation, before.incarnation);
    }
    assert.equal((await baton.reload()).result, "ok", "it steers as before");
    const tally = await load.stop();
    assert.equal(tally.lost, 0, formatTally(tally));
  });

  /** A program that is tried until the test lets it be one: `open` does. */
  const gated = (work: TempDir) => {
    const gate = work.join("gate");
    const real = batonCommand().map((word) => `'${word}'`).join(" ");
    const wait = `while [ ! -e '${gate}' ]; do sleep 0.02; done`;
    const program = work.write("gated", `#!/bin/sh\n${wait}\nexec ${real} "$@"\n`);
    chmodSync(program, 0o755);
    return { program, open: () => work.write("gate", "") };
  };

  test("a generation that ends meanwhile has ended", { timeout: TEST_TIMEOUT_MS }, async () => {
    using work = tempDir();
    const port = await freePort();
    await using baton = await startBaton(place(server("node"), { port, workDir: work.path }));
    const client = createConnection({ port, host: "127.0.0.1" });
    client.resume();
    client.write("GET / HTTP/1.1\r\n");
    await waitUntil(async () => (await baton.status()).generations[0]?.connections.busy === 1, {
      what: "a request is being sent",
    });
    assert.equal((await baton.reload()).result, "ok");
    const { program, open } = gated(work);
    const upgrading = baton.cli("upgrade", "--in-place", "--exec", program);
    await waitUntil(() => baton.stderr.includes("upgrade in place: tries"), { what: "the trial" });
    client.end("Host: a\r\nConnection: close\r\n\r\n");
    await baton.settled();
    open();
    assert.equal((await upgrading).code, 0, baton.stderr);
    const { incarnation, generations } = await baton.status();
    assert.equal(incarnation, 1);
    const alive = generations.filter(({ state }) => state !== "exited");
    assert.deepEqual(alive.map(({ epoch, state }) => ({ epoch, state })), [
      { epoch: 1, state: "serving" },
    ]);
    assert.deepEqual(await baton.stop(), { code: 0, signal: null });
  });

  test(
    "a reload that is asked for meanwhile goes first",
    { timeout: TEST_TIMEOUT_MS },
    async () => {
      using work = tempDir();
      const port = await freePort();
      await using baton = await startBaton(place(server("node"), { port, workDir: work.path }));
      const { program, open } = gated(work);
      const upgrading = baton.cli("upgrade", "--in-place", "--exec", program);
      await waitUntil(() => baton.stderr.includes("upgrade in place: tries"), {
        what: "the trial",
      });
      const reload = baton.reload();
      baton.signal("SIGHUP");
      await waitUntil(() => baton.stderr.includes("SIGHUP: reload"), { what: "the signal" });
      open();
      const [upgraded, report] = await Promise.all([upgrading, reload]);
      assert.equal(upgraded.code, 70, baton.stderr);
      assert.match(upgraded.stderr, /a reload was requested meanwhile/);
      assert.equal(report.result, "ok");
      const { incarnation, epoch } = await baton.settled();
      assert.equal(incarnation, 0);
      assert.ok(Number(epoch) >= 1);
    },
  );

  test("it is in place by itself where a manager waits for this process", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    using work = tempDir();
    const port = await freePort();
    // As runsv does it, by its name: it starts a script, and waits for its end.
    const manager = work.write("runsv", '#!/bin/sh\n"$@"\nexit $?\n');
    chmodSync(manager, 0o755);
    await using baton = await startBaton({
      ...place(server("node"), { port, workDir: work.path }),
      wrapper: [manager],
    });
    const { pid } = await baton.status();
    const upgraded = await baton.cli("upgrade");
    assert.equal(upgraded.code, 0, `${upgraded.stderr}\n${baton.stderr}`);
    assert.match(upgraded.stdout, /runs the new program/);
    process.kill(pid, "SIGUSR2");
    const now = await waitUntil(async () => {
      const status = await baton.status();
      return status.incarnation === 2 ? status : null;
    }, { what: `the second one, by USR2\n${baton.stderr}` });
    assert.deepEqual([now.pid, now.epoch], [pid, 0]);
    assert.match(baton.stderr, /upgrade: in place, because runit \(pid \d+\) would take the end/);
    assert.equal((await baton.cli("stop")).code, 0);
    assert.deepEqual(await baton.exited, { code: 0, signal: null });
  });

  test("it is refused while a generation is on its way", { timeout: TEST_TIMEOUT_MS }, async () => {
    using work = tempDir();
    const port = await freePort();
    const target = work.join("target");
    const { deploy } = await import("../support/servers.ts");
    deploy(target, place(server("node"), { port, workDir: work.path }));
    await using baton = await startBaton({
      command: fixtureCommand("switch.sh"),
      env: { TARGET_FILE: target },
    });
    deploy(target, { command: fixtureCommand("hangs.js"), env: {} });
    const reload = baton.reload();
    await waitUntil(async () => (await baton.status()).generations.length === 2, {
      what: "a generation is on its way",
    });
    const upgraded = await baton.cli("upgrade", "--in-place");
    assert.equal(upgraded.code, 75, upgraded.stderr);
    assert.match(upgraded.stderr, /a reload is under way/);
    assert.equal((await baton.status()).incarnation, 0);
    await baton.stop();
    await reload.catch(() => {});
  });
});
