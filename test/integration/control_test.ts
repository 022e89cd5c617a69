/** The promise: a running baton does what it is told. `reload`, `stop`, and the pidfile. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, readFileSync, renameSync } from "node:fs";
import { describe, test } from "node:test";
import { batonCommand, runCommand, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { alive } from "../support/proc.ts";
import { fixture } from "../support/programs.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";
import { inFlight, server, serving } from "../support/controlled.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };

const EXIT_BUSY = 75;

const EXIT_TIMED_OUT = 124;

const IN_NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];

/** Where baton is, and what brings it and its client there. */
const NAMESPACES: readonly [where: string, inside: string[], outside: string[]][] = [
  ["in a PID namespace below ours", IN_NAMESPACE, []],
  ["in a PID namespace that we cannot see into", [], IN_NAMESPACE],
];

function cannotUnshare(): string | false {
  try {
    execFileSync(IN_NAMESPACE[0] ?? "", [...IN_NAMESPACE.slice(1), "true"], { stdio: "ignore" });
    return false;
  } catch {
    return "needs root, to make a PID namespace";
  }
}

describe("baton reload", () => {
  test("baton reload blocks until the outcome is known", TEST, async () => {
    const port = await freePort();
    const slow = {
      command: fixtureCommand("sd_notify.py"),
      env: { PORT: String(port), MS: "900" },
    };
    await using baton = await startBaton({ ...slow, flags: ["--ready", "notify"] });
    const startedAt = performance.now();
    const { code, stdout, stderr } = await baton.cli("reload");
    assert.equal(code, 0, stderr);
    assert.ok(performance.now() - startedAt >= 900, "not before READY=1");
    // A busy machine shows that it was queued, too.
    const story =
      "(?:queued \\d+ ms, )?starting \\d+ ms, probing \\d+ ms; generation 0: draining still";
    assert.match(stdout, new RegExp(`^generation 1 serves after \\d+ ms\n  ${story}\n$`));
    assert.equal((await baton.status()).epoch, 1);
  });

  test("--json prints the report, of a failure too", TEST, async () => {
    using work = tempDir();
    const program = work.write("server", `#!/bin/sh\nexec node ${fixture("node_http.js")}\n`);
    chmodSync(program, 0o755);
    await using baton = await startBaton({
      command: [program],
      env: { PORT: String(await freePort()) },
    });
    const good = await baton.cli("reload", "--json");
    const { durationMs, phases, ...report } = JSON.parse(good.stdout);
    assert.deepEqual(report, {
      result: "ok",
      epoch: 1,
      reason: null,
      output: [],
      outputIsDirect: false,
      outputSince: [],
      trial: null,
      replaced: 0,
      failedIn: null,
      connections: null,
      late: [],
      held: null,
      restored: null,
      sharedFiles: [],
      doubt: null,
      serving: 1,
      postponed: [],
    });
    assert.equal(phases.length, 3);
    assert.ok(durationMs > 0);
    renameSync(program, `${program}.gone`);
    const bad = await baton.cli("reload", "--json");
    assert.equal(bad.code, 70);
    const failure = JSON.parse(bad.stdout);
    assert.deepEqual([failure.result, failure.epoch], ["failed", 2]);
    assert.match(failure.reason, /Cannot find program/);
  });

  test("those that come during a reload share the next one", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    await using load = new Load({ port }).start();
    const first = baton.reload();
    await waitUntil(async () => (await baton.status()).generations.length === 2, {
      what: "the first one is under way",
    });
    const reports = await Promise.all([first, baton.reload(), baton.reload(), baton.reload()]);
    assert.deepEqual(reports.map(({ result, epoch }) => [result, epoch]), [
      ["ok", 1],
      ["ok", 2],
      ["ok", 2],
      ["ok", 2],
    ]);
    const after = await baton.settled();
    assert.deepEqual([after.epoch, after.restarts.ok], [2, 2]);
    const tally = await load.stop();
    assert.equal(tally.lost, 0, formatTally(tally));
  });

  test("reload --timeout gives up waiting, not the reload", TEST, async () => {
    const port = await freePort();
    const slow = {
      command: fixtureCommand("sd_notify.py"),
      env: { PORT: String(port), MS: "900" },
    };
    await using baton = await startBaton({ ...slow, flags: ["--ready", "notify"] });
    const { code, stderr } = await baton.cli("reload", "--timeout", "200ms");
    assert.equal(code, EXIT_TIMED_OUT, stderr);
    assert.match(stderr, /^baton: Cannot wait any longer for "web": no reply in time$/m);
    assert.match(stderr, /^ {2}What it was asked for continues; the outcome: baton status web$/m);
    assert.equal((await baton.status()).epoch, 0, "it is under way");
    await waitUntil(async () => (await baton.status()).epoch === 1, { what: "it goes on" });
  });

  test("a reload is refused while baton stops", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    await using load = await inFlight(baton, port, 4_000);
    const pending = baton.reload();
    baton.signal("SIGTERM");
    assert.equal((await pending).result, "refused");
    const { code, stderr } = await baton.cli("reload");
    assert.equal(code, EXIT_BUSY, stderr);
    assert.match(stderr, /reload refused: baton is stopping/);
    assert.equal((await baton.exited).code, 0);
    assert.equal((await load.finished()).lost, 0);
  });
});

describe("baton stop", () => {
  test("waits until the last request is answered and baton is gone", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    const { pid } = await serving(baton);
    await using load = await inFlight(baton, port, 1_000);
    const { code, stdout, stderr } = await baton.cli("stop");
    assert.equal(code, 0, stderr);
    assert.equal(stdout, "web has stopped\n");
    assert.equal(alive(baton.pid), false);
    assert.equal(alive(pid ?? 0), false);
    assert.equal(existsSync(baton.socketPath), false);
    assert.equal((await baton.exited).code, 0, baton.stderr);
    const tally = await load.finished();
    assert.equal(tally.ok, 1, formatTally(tally));
  });

  for (const [where, inside, outside] of NAMESPACES) {
    test(`baton stop waits for a baton ${where}`, { ...TEST, skip: cannotUnshare() }, async () => {
      const port = await freePort();
      await using baton = await startBaton({ ...server(port), wrapper: inside });
      await using load = await inFlight(baton, port, 1_000);
      const [program = "", ...words] = [...outside, ...batonCommand(), "stop"];
      const stop = await runCommand([program, ...words, "--runtime-dir", baton.dir.path]);
      assert.equal(stop.code, 0, stop.stderr);
      assert.equal(existsSync(baton.socketPath), false, "not before it is gone");
      assert.equal((await baton.exited).code, 0, baton.stderr);
      assert.equal((await load.finished()).ok, 1);
    });
  }

  test("stop --timeout gives up waiting, and says what to do next", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    await using load = await inFlight(baton, port, 2_000);
    const { code, stderr } = await baton.cli("stop", "--timeout", "100ms");
    assert.equal(code, EXIT_TIMED_OUT, stderr);
    assert.match(stderr, /Cannot wait any longer.*\n {2}Shorten its waits .*: baton stop web/);
    assert.equal((await baton.exited).code, 0, "it stops all the same");
    assert.equal((await load.finished()).ok, 1);
  });
});

describe("--pidfile", () => {
  for (const way of ["absolute", "relative"] as const) {
    test(
      `a pidfile with ${way} path: written, the same at every reload, and removed`,
      TEST,
      async () => {
        using work = tempDir();
        const pidfile = work.join("web.pid");
        await using baton = await startBaton({
          ...server(await freePort()),
          flags: ["--pidfile", way === "absolute" ? pidfile : "web.pid"],
          cwd: work.path,
        });
        assert.equal(readFileSync(pidfile, "utf8"), `${baton.pid}\n`);
        assert.equal((await baton.cli("reload")).code, 0);
        assert.equal(readFileSync(pidfile, "utf8"), `${baton.pid}\n`);
        assert.equal((await baton.stop()).code, 0);
        assert.equal(existsSync(pidfile), false);
      },
    );
  }

  test("a pidfile that names another process by now is left alone", TEST, async () => {
    using work = tempDir();
    const pidfile = work.join("web.pid");
    const flags = ["--pidfile", pidfile];
    await using baton = await startBaton({ ...server(await freePort()), flags });
    work.write("web.pid", "1\n");
    assert.equal((await baton.stop()).code, 0);
    assert.equal(readFileSync(pidfile, "utf8"), "1\n");
  });
});
