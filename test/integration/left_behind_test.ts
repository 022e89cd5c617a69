/**
 * The promise: what a server leaves behind when its leading process has ended gets the stop signal once, however that
 * ended; it is waited for as long as --stop-time says, and no longer; and it is said who had to be killed.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { Helpers, leavingServer, LONG_STOP_MS, NAMES } from "../support/left_helpers.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { alive } from "../support/proc.ts";
import { findPython, fixture, required } from "../support/programs.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const EXIT_TIMED_OUT = 124;

function leader(baton: Baton): Promise<number> {
  return waitUntil(async () => {
    const { generations } = await baton.status();
    return generations.find(({ state }) => state === "serving")?.pid;
  }, { what: "a generation serves" });
}

describe("a server that ends at its stop signal and leaves helpers", () => {
  for (const flags of [[], ["--shutdown-only"]]) {
    test(`with 0: it ends with 0 when they have ended ${flags}`, TEST, async () => {
      using helpers = new Helpers();
      const given = await leavingServer({ helpers: helpers.commands(NAMES), flags });
      await using baton = await startBaton(given);
      await helpers.started(NAMES);
      const startedAt = performance.now();
      assert.deepEqual(await baton.stop(), { code: 0, signal: null }, baton.stderr);
      assert.ok(performance.now() - startedAt < LONG_STOP_MS / 2, baton.stderr);
      helpers.haveEnded(NAMES, baton.stderr);
    });
  }

  test("is gone soon after a reload, and its successor's helpers live on", TEST, async () => {
    using helpers = new Helpers();
    using work = tempDir();
    const commands = `if mkdir '${work.join("first")}' 2>/dev/null; then ${
      helpers.commands(["old"])
    }; else ${helpers.commands(["new"])}; fi`;
    await using baton = await startBaton(await leavingServer({ helpers: commands }));
    await helpers.started(["old"]);
    assert.equal((await baton.reload()).result, "ok");
    await helpers.started(["new"]);
    await baton.settled(LONG_STOP_MS / 2);
    helpers.haveEnded(["old"], baton.stderr);
    assert.deepEqual([helpers.told("new"), alive(helpers.pid("new"))], [0, true]);
    assert.equal((await baton.stop()).code, 0, baton.stderr);
    helpers.haveEnded(["new"], baton.stderr);
  });

  test("a worker that still answers is told after its answer", TEST, async () => {
    const port = await freePort();
    const flags = ["--drain", "signal", "--stop-time", "20s"];
    await using baton = await startBaton({
      command: [required("python3", findPython()), fixture("leaves_worker.py")],
      env: { PORT: String(port), MS: "1500" },
      flags,
    });
    const answer = waitUntil(() => fetch(`http://127.0.0.1:${port}/`).catch(() => null), {
      what: "it serves",
    });
    const isBusy = async () => (await baton.status()).generations[0]?.connections.busy === 1;
    await waitUntil(isBusy, { what: "a request is in flight" });
    assert.equal((await baton.stop()).code, 0, baton.stderr);
    assert.equal((await answer).status, 200);
  });
});

describe("a server that ends although nobody asked it to", () => {
  test("a crash: another one serves at once, what is left is told and ends", TEST, async () => {
    using helpers = new Helpers();
    await using baton = await startBaton(
      await leavingServer({ helpers: helpers.commands(["a", "b"]) }),
    );
    await helpers.started(["a", "b"]);
    const [pid, ended] = [await leader(baton), [helpers.pid("a"), helpers.pid("b")]];
    process.kill(pid, "SIGKILL");
    await waitUntil(async () => await leader(baton) !== pid, { what: "another one serves" });
    await waitUntil(() => !ended.some(alive), { what: "the helpers have ended" });
    assert.deepEqual([helpers.told("a"), helpers.told("b")], [1, 1], baton.stderr);
    assert.equal((await baton.stop()).code, 0, baton.stderr);
  });

  for (const [status, flags] of [[0, []], [0, ["--shutdown-only"]]]) {
    test(`status ${status} ${flags}: baton ends with it when they have ended`, TEST, async () => {
      using helpers = new Helpers();
      const names = ["a", "b"];
      const given = await leavingServer({
        helpers: helpers.commands(names),
        flags: flags as string[],
      });
      await using baton = await startBaton(given);
      await helpers.started(names);
      // That it has listened tells a helper from a daemon.
      await waitUntil(async () => (await baton.cli("ready")).code === 0, { what: "it serves" });
      await fetch(`http://127.0.0.1:${given.env["PORT"]}/end?status=${status}`).catch(() => {});
      assert.equal((await baton.exited).code, status, baton.stderr);
      for (const name of names) assert.equal(alive(helpers.pid(name)), false, name);
    });
  }

  test("a candidate that fails: its verdict does not wait for what it leaves", TEST, async () => {
    using helpers = new Helpers();
    using work = tempDir();
    const script = `if mkdir '${work.join("first")}' 2>/dev/null; then exec "$@"; fi
      ${helpers.commands(["a"], "stays").replace("exec", "")} & while [ ! -e '${
      helpers.commands(["a"]).split("' ")[2]?.slice(1)
    }/a.started' ]; do sleep 0.02; done; exit 9`;
    const given = await leavingServer({ helpers: "" });
    const command = ["sh", "-c", script, "sh", ...given.command];
    await using baton = await startBaton({ ...given, command });
    const startedAt = performance.now();
    const report = await baton.reload();
    assert.equal(report.result, "failed", JSON.stringify(report));
    assert.match(report.reason ?? "", /exit status 9/);
    assert.ok(performance.now() - startedAt < LONG_STOP_MS / 2, baton.stderr);
    await waitUntil(() => helpers.told("a") === 1, { what: "what it left is told" });
    baton.signal("SIGTERM");
    await waitUntil(() => baton.stderr.includes("generation 0 exited"), {
      what: "only that is left",
    });
    baton.signal("SIGTERM");
    assert.equal((await baton.exited).signal, null, baton.stderr);
    assert.equal(alive(helpers.pid("a")), false, "nothing outlives baton");
  });
});

describe("helpers that ignore the stop signal", () => {
  for (const [mode, code] of [["full", EXIT_TIMED_OUT], ["--shutdown-only", 0]] as const) {
    test(`are killed after --stop-time, and named, ${mode}`, TEST, async () => {
      using helpers = new Helpers();
      const flags = ["--stop-time", "300ms", ...mode === "full" ? [] : [mode]];
      const given = await leavingServer({ helpers: helpers.commands(["a", "b"], "stays") });
      await using baton = await startBaton({ ...given, flags });
      await helpers.started(["a", "b"]);
      const stops = [baton.cli("stop"), ...mode === "full" ? [baton.cli("stop")] : []];
      for (const { code: found, stdout, stderr } of await Promise.all(stops)) {
        assert.equal(found, code, stderr);
        const text = stdout + stderr;
        assert.match(text, /web was killed after \d+ms: 2 processes had not exited: .*python3/);
        for (const name of ["a", "b"]) assert.ok(text.includes(`(pid ${helpers.pid(name)})`), text);
      }
      assert.equal((await baton.exited).code, code, baton.stderr);
      assert.match(baton.stderr, /killed after \d+ms: 2 processes had not exited: .*python3 \(pid/);
      for (const name of ["a", "b"]) assert.equal(alive(helpers.pid(name)), false);
    });
  }
});
