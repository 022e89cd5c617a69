/** The promise: a reader of baton's output that does not read, or is gone, stops only the one that writes. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { alive, killTree } from "../support/proc.ts";
import { findPython, FIXTURES, required } from "../support/programs.ts";
import { fixtureCommand, type Runnable } from "../support/servers.ts";
import { servingPid } from "../support/serving_pid.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";
import { ask, Pipe, printed, start, talker } from "../support/talkers.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };

/** The same with writes that block, as most languages do them; node keeps in memory what a pipe does not take. */
const BLOCKING_TALKER = `
import os, sys
sys.path.insert(0, os.environ["FIXTURES"])
sys.dont_write_bytecode = True
for i in range(1, int(os.environ.get("LINES", "0")) + 1):
    print("line", i, os.environ.get("FILL", ""), flush=True)
from python_threaded import HOST, PORT, Handler, Server
Server((HOST, PORT), Handler).serve_forever()
`;

function blocking(port: number, env: Record<string, string>): Runnable {
  return {
    command: [required("python3", findPython()), "-c", BLOCKING_TALKER],
    env: { PORT: String(port), FIXTURES, ...env },
  };
}

describe("when baton is killed", () => {
  test("--orphan keep: the server serves on, and prints on", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton({ ...talker(port), flags: ["--orphan", "keep"] });
    const pid = servingPid(await baton.status());
    try {
      await using load = new Load({ port, path: "/load" }).start();
      await waitUntil(() => load.tally.ok > 0, { what: "it answers" });
      process.kill(baton.pid, "SIGKILL");
      await waitUntil(() => !alive(baton.pid), { what: "baton is gone" });
      const answered = load.tally.ok;
      await waitUntil(() => load.tally.ok > answered + 20, { what: "it answers on" });
      const tally = await load.stop();
      assert.equal(tally.lost, 0, formatTally(tally));
      assert.deepEqual([...tally.byBody.keys()], [pid]);
      await ask(port, "/orphan");
      await printed(baton, "stdout", "asked for /orphan\n");
      await printed(baton, "stderr", "warned of /orphan\n");
    } finally {
      killTree(pid);
    }
    await baton.exited; // Nobody has its output any more.
  });

  test("--orphan die, the default: the server ends too", TEST, async () => {
    await using baton = await startBaton(talker(await freePort()));
    const pid = servingPid(await baton.status());
    baton.signal("SIGKILL");
    await baton.exited;
    await waitUntil(() => !alive(pid), { what: "the server is gone" });
  });
});

describe("a reader that does not read", () => {
  test("baton starts, serves, reloads and answers, with its log on that pipe", TEST, async () => {
    using work = tempDir();
    using pipe = new Pipe(work);
    pipe.fill();
    const port = await freePort();
    const quiet = { command: fixtureCommand("node_http.js"), env: { PORT: String(port) } };
    await using baton = await startBaton({ ...quiet, wrapper: pipe.wrapper });
    assert.equal((await baton.cli("status")).code, 0);
    assert.equal((await baton.cli("reload")).code, 0);
    assert.equal((await baton.settled()).epoch, 1);
    await ask(port);
    assert.doesNotMatch(pipe.read(), /baton\[web\]/);
    await baton.reload();
    await baton.settled();
    const log = pipe.read();
    assert.match(log, /warn: \d+ log lines? lost: the reader was too slow\n/);
    assert.match(log, /generation 2 serves/);
  });

  test("a candidate that prints too much waits; baton and the old one do not", TEST, async () => {
    using work = tempDir();
    using pipe = new Pipe(work);
    const port = await freePort();
    const log = work.join("log");
    const { baton: started, deploy } = await start(work, talker(port), {
      flags: ["--ready-timeout", "4s", "--log-file", log],
      wrapper: pipe.wrapper,
    });
    await using baton = started;
    const old = servingPid(await baton.settled());
    const { self } = await baton.status();
    pipe.fill();
    // Far more than a pipe holds: it blocks in write(2), as it would without baton.
    deploy(blocking(port, { LINES: "4000", FILL: "x".repeat(200) }));
    for (let i = 0; i < 3; i++) {
      const pending = baton.reload();
      await waitUntil(async () => (await baton.status()).generations.at(-1)?.state === "starting", {
        what: "status answers while the candidate waits",
      });
      const { result, reason } = await pending;
      assert.deepEqual(
        [result, reason],
        ["failed", `not ready within 4 s: it does not listen at 127.0.0.1:${port}`],
      );
      const after = await baton.settled();
      assert.equal(servingPid(after), old);
      const more = after.self.watches - self.watches;
      assert.ok(more <= 1, "no more than the reader, for what the candidates have left to say");
    }
    // Somebody reads again: the same version starts, and nothing of its output is missing.
    pipe.read();
    const pending = baton.reload();
    await waitUntil(() => (pipe.read(), /\bline 4000 x{200}\n/.test(pipe.text)), {
      what: "all of its output comes",
    });
    const { result, reason } = await pending;
    assert.equal(result, "ok", reason ?? "");
    await baton.settled();
    await ask(port);
    assert.doesNotMatch(readFileSync(log, "utf8"), /internal error/);
  });

  test("one that goes away altogether does not end baton", TEST, async () => {
    using work = tempDir();
    using pipe = new Pipe(work);
    const port = await freePort();
    const quiet = { command: fixtureCommand("node_http.js"), env: { PORT: String(port) } };
    const { baton: started, deploy } = await start(work, quiet, { wrapper: pipe.wrapper });
    await using baton = started;
    pipe.close();
    assert.equal((await baton.reload()).result, "ok");
    assert.equal((await baton.settled()).epoch, 1);
    // What cannot be forwarded is remembered all the same.
    deploy(talker(port, { LAST: "out of luck\n", CODE: "3" }));
    assert.deepEqual((await baton.reload()).output, ["out of luck"]);
    await ask(port);
    assert.equal((await baton.stop()).code, 0);
  });
});
