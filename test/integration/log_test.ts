/** The promise: the log can be parsed, written to a file, and rotated. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { describe, test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { listeners } from "../support/proc.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";
import { mortal, send, server } from "../support/controlled.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };

const INSPECTOR_PORT = 9229;

const ISO_8601 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

describe("the log", () => {
  test("--log-format json: every line can be parsed, failures and crashes too", TEST, async () => {
    const port = await freePort();
    const flags = ["--log-format", "json", "--log-level", "debug"];
    await using baton = await startBaton({ ...mortal(port), flags });
    await baton.reload();
    await send(port, "/exit/3").finished();
    await waitUntil(async () => (await baton.settled()).restarts.crashes === 1, {
      what: "the crash is over",
    });
    assert.equal((await baton.stop()).code, 0);
    const lines = baton.stderr.trimEnd().split("\n").map((line) => JSON.parse(line));
    for (const { time, level, name, message } of lines) {
      assert.match(time, ISO_8601);
      assert.match(level, /^(debug|info|warn|error)$/);
      assert.equal(name, "web");
      assert.equal(typeof message, "string");
    }
    const messages = lines.filter(({ level }) => level !== "debug").map(({ message }) => message);
    for (const expected of ["generation 1 serves", "generation 1 crashed: exit status 3"]) {
      assert.ok(messages.includes(expected), `${expected} is in:\n${messages.join("\n")}`);
    }
  });

  test("--log-file, not standard error; USR1 opens it anew after a rotation", TEST, async () => {
    using work = tempDir();
    const log = work.join("baton.log");
    await using baton = await startBaton({
      ...server(await freePort()),
      flags: ["--log-file", "baton.log"],
      cwd: work.path,
    });
    assert.match(readFileSync(log, "utf8"), /generation 0 serves/);
    renameSync(log, `${log}.1`);
    await baton.reload();
    assert.equal(existsSync(log), false, "it goes on into the old file");
    assert.match(readFileSync(`${log}.1`, "utf8"), /generation 1 serves/);
    baton.signal("SIGUSR1");
    await waitUntil(() => existsSync(log), { what: "the log is opened anew" });
    await baton.reload();
    assert.match(readFileSync(log, "utf8"), /generation 2 serves/);
    assert.doesNotMatch(readFileSync(`${log}.1`, "utf8"), /generation 2 serves/);
    await waitUntil(() => listeners(baton.pid).every(({ port }) => port !== INSPECTOR_PORT), {
      what: "the inspector is closed that Deno opens at SIGUSR1",
    });
    assert.equal((await baton.stop()).code, 0);
    const withoutDeno = baton.stderr.replace(/^Debugger listening.*\nVisit chrome:.*\n/, "");
    assert.equal(withoutDeno, "");
  });

  test("a rotation that fails keeps the old file", TEST, async () => {
    using work = tempDir();
    mkdirSync(work.join("log"));
    const log = work.join("log", "baton.log");
    const flags = ["--log-file", log];
    await using baton = await startBaton({ ...server(await freePort()), flags });
    renameSync(work.join("log"), work.join("old"));
    baton.signal("SIGUSR1");
    const read = () => readFileSync(work.join("old", "baton.log"), "utf8");
    await waitUntil(() => /warn: cannot reopen the log: .*ENOENT/.test(read()), {
      what: "the failure is told",
    });
    await baton.reload();
    assert.match(read(), /generation 1 serves/);
  });
});
