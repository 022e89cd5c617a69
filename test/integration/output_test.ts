/**
 * The promise: what a server prints is never lost and never in the way. A candidate's output is forwarded, and its
 * last lines are part of the verdict; from its listen on the server writes to baton's own output, without baton in
 * between; and a reader that does not read stops nobody but the one who writes.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync, readSync, writeSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import type { Snapshot } from "../../src/report/snapshot.ts";
import { type Baton, type BatonOptions, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { alive, children, killTree, openFds } from "../support/proc.ts";
import { findNode, findPython, FIXTURES, required } from "../support/programs.ts";
import { deploy, fixtureCommand, type Runnable } from "../support/servers.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const SHOWN_LINES = 20;
const REMEMBERED_BYTES_OF_A_LINE = 4_096;

/** Prints LINES lines, "line N" and FILL, to stdout and stderr in turn; then listens, or exits with CODE. */
const TALKER = `
const http = require("node:http");
const { LINES = "0", FILL = "", LAST = "", CODE, PORT } = process.env;
for (let i = 1; i <= Number(LINES); i++) {
  process[i % 2 ? "stdout" : "stderr"].write("line " + i + FILL + "\\n");
}
process.stderr.write(LAST);
if (CODE) process.exit(Number(CODE));
http.createServer((request, response) => {
  console.log("asked for " + request.url);
  console.error("warned of " + request.url);
  response.end("pid=" + process.pid + "\\n");
}).listen(Number(PORT), "127.0.0.1", () => console.log("listens"));
`;

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

function talker(port: number, env: Record<string, string> = {}): Runnable {
  return {
    command: [required("node", findNode()), "-e", TALKER],
    env: { PORT: String(port), ...env },
  };
}

function blocking(port: number, env: Record<string, string>): Runnable {
  return {
    command: [required("python3", findPython()), "-c", BLOCKING_TALKER],
    env: { PORT: String(port), FIXTURES, ...env },
  };
}

/** A service whose next start is what was deployed last. */
async function start(work: TempDir, first: Runnable, options: Partial<BatonOptions> = {}) {
  const targetFile = work.join("target");
  deploy(targetFile, first);
  const baton = await startBaton({
    ...options,
    command: fixtureCommand("switch.sh"),
    env: { ...options.env, TARGET_FILE: targetFile },
  });
  return { baton, deploy: (next: Runnable) => deploy(targetFile, next) };
}

function servingPid({ generations }: Snapshot): number {
  const pid = generations.find(({ state }) => state === "serving")?.pid;
  assert.ok(pid, JSON.stringify(generations, null, 1));
  return pid;
}

async function ask(port: number, path = "/"): Promise<void> {
  const tally = await new Load({ port, path, clients: 1, maxRequests: 1 }).start().finished();
  assert.equal(tally.ok, 1, formatTally(tally));
}

async function printed(baton: Baton, stream: "stdout" | "stderr", text: string): Promise<void> {
  await waitUntil(() => baton[stream].includes(text), {
    what: `"${text}" comes to ${stream}`,
  });
}

/** The lines of the verdict that are the server's own. */
function lastWords(stderr: string): string[] {
  const [, , heading, ...lines] = stderr.trimEnd().split("\n");
  assert.equal(heading, "its last words:", stderr);
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
    assert.match(stderr, /\nwhat it printed is in the output of baton\n$/);
    await printed(baton, "stderr", "out of luck\n");
  });
});

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
    assert.match(log, /warn: \d+ log lines lost: nobody read them\n/);
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

/** A named pipe as baton's stdout and stderr, read only when the test says so. */
class Pipe implements Disposable {
  text = "";
  readonly #path: string;
  #fd: number | null;

  constructor(work: TempDir) {
    this.#path = work.join("pipe");
    execFileSync("mkfifo", [this.#path]);
    // With both ends open neither an open nor a write ever waits for the other side.
    this.#fd = openSync(this.#path, constants.O_RDWR | constants.O_NONBLOCK);
  }

  /** Put in front of baton. */
  get wrapper(): string[] {
    return ["sh", "-c", `exec "$@" > '${this.#path}' 2>&1`, "sh"];
  }

  /** Until it takes no more. */
  fill(): void {
    for (let size = 64 * 1024; size >= 1;) {
      try {
        writeSync(this.#fd ?? -1, "-".repeat(size));
      } catch (error) {
        if ((error as { code?: string }).code !== "EAGAIN") throw error;
        size = Math.floor(size / 2);
      }
    }
  }

  /** What is there; `text` collects it. */
  read(): string {
    const bytes = new Uint8Array(64 * 1024);
    let text = "";
    for (;;) {
      try {
        const count = readSync(this.#fd ?? -1, bytes);
        if (count === 0) break;
        text += new TextDecoder().decode(bytes.subarray(0, count));
      } catch (error) {
        if ((error as { code?: string }).code !== "EAGAIN") throw error;
        break;
      }
    }
    this.text += text;
    return text;
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
