/**
 * The promise: what a server prints is never lost and never in the way. A candidate's output is forwarded, and its
 * last lines are part of the verdict; from its listen on the server writes to baton's own output, without baton in
 * between; and a reader that does not read stops nobody but the one who writes.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { children, openFds } from "../support/proc.ts";
import { findNode, required } from "../support/programs.ts";
import { fixtureCommand } from "../support/servers.ts";
import { servingPid } from "../support/serving_pid.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";
import { ask, Pipe, printed, start, talker } from "../support/talkers.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };

const SHOWN_LINES = 20;

const REMEMBERED_BYTES_OF_A_LINE = 4_096;

/** Prints a lot in one go, and listens a moment later, when it waits for the pipe to take the rest. */
const LATE_TALKER = `
const http = require("node:http");
const { LINES = "0", FILL = "", PORT } = process.env;
for (let i = 1; i <= Number(LINES); i++) process.stdout.write("line " + i + FILL + "\\n");
setTimeout(() => {
  http.createServer((request, response) => {
    console.log("asked for " + request.url);
    response.end("pid=" + process.pid + "\\n");
  }).listen(Number(PORT), "127.0.0.1");
}, 10);
`;

/** The lines of the verdict that are the server's own. */
function lastWords(stderr: string): string[] {
  const [, , heading, ...lines] = stderr.trimEnd().split("\n");
  assert.equal(heading, "its last output:", stderr);
  for (const line of lines) assert.ok(line.startsWith("  "), stderr);
  return lines.map((line) => line.slice(2));
}

describe("a candidate's output", () => {
  test("comes to baton's own: stdout to stdout, stderr to stderr, all of it", TEST, async () => {
    using work = tempDir();
    const LINES = 3_000;
    const port = await freePort();
    const { baton: started } = await start(work, talker(port, { LINES: String(LINES) }));
    await using baton = started;
    await printed(baton, "stdout", "listens\n");
    const numbers = (text: string) =>
      [...text.matchAll(/^line (\d+)$/gm)].map((match) => Number(match[1]));
    const all = Array.from({ length: LINES }, (_, i) => i + 1);
    assert.deepEqual(numbers(baton.stdout), all.filter((number) => number % 2 === 1));
    await printed(baton, "stderr", `line ${LINES}\n`);
    assert.deepEqual(numbers(baton.stderr), all.filter((number) => number % 2 === 0));
    assert.doesNotMatch(baton.stdout, /baton\[web\]/, "baton's own log is not in there");
  });

  test("of more than 100 lines: the last 20 are shown when it fails", TEST, async () => {
    using work = tempDir();
    const LINES = 150;
    const port = await freePort();
    const { baton: started, deploy } = await start(work, talker(port));
    await using baton = started;
    deploy(talker(port, { LINES: String(LINES), CODE: "3" }));
    const { code, stderr } = await baton.cli("reload");
    assert.equal(code, 70);
    const shown = lastWords(stderr);
    assert.equal(shown.length, SHOWN_LINES);
    // Two pipes have no common order; each has its own, and its last line is there.
    const numbers = shown.map((line) => Number(/^line (\d+)$/.exec(line)?.[1]));
    for (const parity of [0, 1]) {
      const own = numbers.filter((number) => number % 2 === parity);
      assert.deepEqual(own, own.toSorted((a, b) => a - b));
    }
    assert.ok(numbers.includes(LINES) || numbers.includes(LINES - 1), shown.join("\n"));
    const report = JSON.parse((await baton.cli("reload", "--json")).stdout);
    assert.equal(report.output.length, SHOWN_LINES);
    await printed(baton, "stderr", "line 2\n"); // The first ones are not shown, but not lost.
  });

  test("an unfinished last line is shown, a very long one is cut", TEST, async () => {
    using work = tempDir();
    const port = await freePort();
    const { baton: started, deploy } = await start(work, talker(port));
    await using baton = started;
    const LAST = `${"x".repeat(10_000)}\ngr\u00fc\u00df Gott \u2603`;
    deploy(talker(port, { LAST, CODE: "3" }));
    const shown = lastWords((await baton.cli("reload")).stderr);
    assert.deepEqual(shown, ["x".repeat(REMEMBERED_BYTES_OF_A_LINE), "gr\u00fc\u00df Gott \u2603"]);
  });

  test("is forwarded before it listens, not when it ends", TEST, async () => {
    await using baton = await startBaton({
      command: fixtureCommand("hangs.js"),
      env: {},
      expectFailure: true,
    });
    await printed(baton, "stdout", "hangs: starting\n");
    const [pid = 0] = children(baton.pid);
    assert.notEqual(openFds(pid).get(1), openFds(baton.pid).get(1), "it is a pipe of its own");
  });
});

describe("from its listen on", () => {
  for (const [way, flags] of [["capture", []], ["direct", ["--output", "direct"]]] as const) {
    test(`${way}: the server's descriptors 1 and 2 are baton's own`, TEST, async () => {
      const port = await freePort();
      await using baton = await startBaton({ ...talker(port), flags });
      const pid = servingPid(await baton.status());
      const [server, own] = [openFds(pid), openFds(baton.pid)];
      assert.match(own.get(1) ?? "", /^(pipe|socket):/);
      assert.deepEqual([server.get(1), server.get(2)], [own.get(1), own.get(2)]);
      assert.notEqual(own.get(1), own.get(2));
      await ask(port, "/one");
      await printed(baton, "stdout", "asked for /one\n");
      await printed(baton, "stderr", "warned of /one\n");
    });
  }

  test("no pipe and no descriptor of it is left in baton", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(talker(port));
    const count = () => openFds(baton.pid).size;
    await baton.reload();
    const { self } = await baton.settled();
    const before = count();
    for (let i = 0; i < 3; i++) {
      await baton.reload();
      await baton.settled();
    }
    await waitUntil(() => count() <= before, { what: "as many descriptors as before" });
    assert.equal((await baton.settled()).self.watches, self.watches);
  });

  test("what it still had to write then is not lost, and neither is what comes later", {
    ...TEST,
  }, async () => {
    using work = tempDir();
    using pipe = new Pipe(work);
    const LINES = 20_000;
    const port = await freePort();
    await using baton = await startBaton({
      command: [required("node", findNode()), "-e", LATE_TALKER],
      env: { PORT: String(port), LINES: String(LINES), FILL: "x".repeat(100) },
      flags: ["--log-file", work.join("log")],
      wrapper: pipe.wrapper,
    });
    assert.equal((await baton.status()).epoch, 0, "it serves, and baton answers");
    await ask(port, "/later");
    await waitUntil(() => (pipe.read(), pipe.text.includes("asked for /later\n")), {
      what: "its later output comes",
    });
    const numbers = [...pipe.text.matchAll(/^line (\d+)x{100}$/gm)].map(([, n]) => Number(n));
    assert.deepEqual(numbers, Array.from({ length: LINES }, (_, i) => i + 1));
  });

  test("a parent shell, which has the pipe still, is forwarded", TEST, async () => {
    const port = await freePort();
    const { command, env } = talker(port);
    const script = `"$@" & trap 'echo the shell speaks' USR1; while :; do wait; done`;
    await using baton = await startBaton({ command: ["sh", "-c", script, "sh", ...command], env });
    const shell = servingPid(await baton.status());
    const [server = 0] = children(shell);
    const own = openFds(baton.pid).get(1);
    assert.equal(openFds(server).get(1), own);
    assert.notEqual(openFds(shell).get(1), own);
    process.kill(shell, "SIGUSR1");
    await printed(baton, "stdout", "the shell speaks\n");
    await ask(port, "/two");
    await printed(baton, "stdout", "asked for /two\n");
  });

  test("--output direct says where to look when a reload fails", TEST, async () => {
    using work = tempDir();
    const port = await freePort();
    const flags = ["--output", "direct"];
    const { baton: started, deploy } = await start(work, talker(port), { flags });
    await using baton = started;
    deploy(talker(port, { LAST: "out of luck\n", CODE: "3" }));
    const { code, stderr } = await baton.cli("reload");
    assert.equal(code, 70);
    assert.match(stderr, /\nits output is in the output of baton\n$/);
    await printed(baton, "stderr", "out of luck\n");
  });
});
