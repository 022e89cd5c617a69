/** `baton top` and progress, as people see them at a terminal, and as programs read them in a pipe. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { readlinkSync } from "node:fs";
import process from "node:process";
import { describe, test } from "node:test";
import type { Snapshot } from "../../src/report/snapshot.ts";
import { type Baton, batonCommand, callSocket, runCommand, startBaton } from "../support/baton.ts";
import { inFlight, send, server } from "../support/controlled.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { atTerminal, noTerminal, type Terminal } from "../support/terminal.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const AT_TERMINAL = { ...TEST, skip: noTerminal };
/** In the reply to a terminal: it goes to its other screen, and back. */
const [ENTERS, LEAVES] = ["\x1b[?1049h", "\x1b[?1049l"];
const ESCAPE = "\x1b";
const XTERM = { TERM: "xterm", NO_COLOR: "", FORCE_COLOR: "" };
/** A line that is replaced. */
const PROGRESS = "\r\x1b[K";
/** The last of 24 rows is taken from what scrolls, and given back. */
const [TAKES_ROW, GIVES_ROW] = ["\x1b[1;23r", "\x1b[r"];

/** A program at a terminal of 24 rows and 80 columns. */
function at80(words: readonly string[], env: Record<string, string> = {}): Promise<Terminal> {
  const sized = ["sh", "-c", 'stty rows 24 cols 80; exec "$@"', "sh", ...words];
  return atTerminal(sized, { ...XTERM, ...env });
}

function topOf({ dir }: { readonly dir: TempDir }, ...flags: readonly string[]): string[] {
  return [...batonCommand(), "top", "--runtime-dir", dir.path, "--interval", "500ms", ...flags];
}

/** The modes of its terminal, as stty(1) prints them. */
function modes({ pid }: Terminal): string {
  const path = readlinkSync(`/proc/${pid}/fd/0`);
  return execFileSync("stty", ["-a", "-F", path], { encoding: "utf8" });
}

/** A drain of one connection, by a server that is slow to answer. */
async function whileDraining(
  baton: Baton,
  port: number,
  look: () => Promise<void>,
): Promise<void> {
  await using load = await inFlight(baton, port, 4_000);
  assert.equal((await baton.reload()).result, "ok");
  await look();
  assert.equal((await load.finished()).lost, 0);
}

describe("baton top", () => {
  test(
    "on a terminal shows lanes, follows its size, and leaves it as it was",
    AT_TERMINAL,
    async () => {
      const port = await freePort();
      await using baton = await startBaton({ ...server(port), flags: ["--drain", "quiesce"] });
      // The terminal outlives `baton top`.
      const [begin, end] = ["stty -a; echo begins", "echo ends; stty -a; read line"];
      await using terminal = await at80([
        "sh",
        "-c",
        `${begin}; "$@"; ${end}`,
        "sh",
        ...topOf(baton),
      ]);
      await terminal.shows("begins");
      await terminal.shows(ENTERS);
      await terminal.shows("generation 0 serves");
      assert.match(modes(terminal), / -icanon.* -echo /s);
      await whileDraining(baton, port, async () => {
        await terminal.shows("generation 0: draining");
        await terminal.shows("of 1, ");
      });
      await terminal.shows("superseded");
      execFileSync("stty", [
        "-F",
        readlinkSync(`/proc/${terminal.pid}/fd/0`),
        "rows",
        "10",
        "cols",
        "40",
      ]);
      // Without the columns that matter least.
      await terminal.shows("GEN  STATE");
      await waitUntil(() => /GEN +STATE +SHARE +BUSY +(?!IDLE)/.test(lastFrame(terminal)), {
        what: `the narrow table\n${lastFrame(terminal)}`,
      });
      terminal.type("q");
      await terminal.shows(LEAVES);
      await terminal.shows("ends");
      assert.match(modes(terminal), / icanon.* echo /s);
      terminal.type("\n");
      assert.equal(await terminal.ends(), 0, terminal.screen);
    },
  );

  for (const [keys, signal, status] of [["\x03", null, 0], ["", "SIGTERM", 143]] as const) {
    test(`${signal ?? "Ctrl-C"} ends it, and gives the terminal back`, AT_TERMINAL, async () => {
      const port = await freePort();
      await using baton = await startBaton(server(port));
      await using terminal = await at80(topOf(baton));
      await terminal.shows("generation 0 serves");
      if (signal === null) terminal.type(keys);
      else process.kill(terminal.pid, signal);
      await terminal.shows(LEAVES);
      assert.equal(await terminal.ends(), status, terminal.screen);
    });
  }

  test("says when baton does not answer, and goes on with the next one", AT_TERMINAL, async () => {
    const port = await freePort();
    using dir = tempDir("baton");
    await using first = await startBaton({ ...server(port), dir });
    await using terminal = await at80(topOf({ dir }));
    await terminal.shows("generation 0 serves");
    await first.stop();
    await terminal.shows('Cannot reach "web"');
    await using second = await startBaton({ ...server(port), dir });
    await terminal.shows(`pid ${second.pid}`);
    terminal.type("q");
    assert.equal(await terminal.ends(), 0);
  });

  test("on a dumb terminal, and in a pipe, prints lines", AT_TERMINAL, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    const { code, stdout } = await baton.cli("top", "--count", "2", "--interval", "500ms");
    const line =
      /^\d{4}-\S+Z web: generation 0 serving 100 %, 0 busy, 0 idle, 0 undecided, 0 queued$/;
    const lines = stdout.trimEnd().split("\n");
    assert.deepEqual([code, lines.length], [0, 2]);
    for (const each of lines) assert.match(each, line);
    await using terminal = await at80(topOf(baton, "--count", "1"), { TERM: "dumb" });
    assert.equal(await terminal.ends(), 0);
    assert.match(terminal.screen.trimEnd(), line);
  });

  test("--json prints a summary for each look, and ends with its reader", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(server(port));
    const [program = "", ...words] = topOf(baton, "--json");
    const child = spawn(program, words, { stdio: ["ignore", "pipe", "inherit"] });
    const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
    let text = "";
    child.stdout.on("data", (bytes) => text += String(bytes));
    try {
      await waitUntil(() => text.split("\n").length > 2, { what: "two looks" });
      const [first] = text.split("\n").map((each) => each && JSON.parse(each));
      assert.deepEqual([first.name, first.epoch, first.generations[0].percent], ["web", 0, 100]);
      child.stdout.destroy();
      assert.equal(await ended, 0);
    } finally {
      child.kill("SIGKILL");
    }
  });
});

/** From its latest beginning. */
function lastFrame({ screen }: Terminal): string {
  return screen.slice(screen.lastIndexOf("\x1b[H")).replaceAll(
    new RegExp(`${ESCAPE}\\[[\\d;?]*[a-zA-Z]`, "g"),
    "",
  );
}

/** Its request takes longer than it takes to show something. */
const STOP_FIRST = ["--order", "stop-first", "--drain", "quiesce"];
const SLOW_MS = 3_000;

describe("progress", () => {
  test("of a reload is shown at a terminal, and leaves no trace", AT_TERMINAL, async () => {
    const port = await freePort();
    await using baton = await startBaton({ ...server(port), flags: STOP_FIRST });
    await using load = await inFlight(baton, port, SLOW_MS);
    const words = [...batonCommand(), "reload", "--runtime-dir", baton.dir.path];
    await using terminal = await at80(words, { NO_COLOR: "1" });
    await terminal.shows(`${PROGRESS}generation 1: waits until the one before it has stopped; `);
    await terminal.shows("generation 0: draining 1 of 1, ");
    await terminal.shows(`${PROGRESS}generation 1 serves after`);
    assert.equal(await terminal.ends(), 0, terminal.screen);
    assert.equal((await load.finished()).lost, 0);
  });

  test("a reload whose time is over takes it away", AT_TERMINAL, async () => {
    const port = await freePort();
    await using baton = await startBaton({ ...server(port), flags: STOP_FIRST });
    await using load = await inFlight(baton, port, SLOW_MS);
    const words = [...batonCommand(), "reload", "--runtime-dir", baton.dir.path];
    await using terminal = await at80([...words, "--timeout", "1200ms"], { NO_COLOR: "1" });
    await terminal.shows(`${PROGRESS}generation 1: waits`);
    await terminal.shows(`${PROGRESS}baton: Cannot reach "web": no reply in time`);
    assert.equal(await terminal.ends(), 124, terminal.screen);
    assert.equal((await load.finished()).lost, 0);
  });

  test("a pipe never sees it", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton({ ...server(port), flags: STOP_FIRST });
    await using load = await inFlight(baton, port, SLOW_MS);
    const { code, stdout, stderr } = await baton.cli("reload");
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /^generation 1 serves after \d+ ms\n/);
    assert.ok(!stdout.includes(ESCAPE), stdout);
    assert.equal((await load.finished()).lost, 0);
  });

  test(
    "of a stop is shown where it was asked for, and in the last row of baton run",
    AT_TERMINAL,
    async () => {
      const port = await freePort();
      using dir = tempDir("baton");
      const { command, env } = server(port);
      const own = ["--name", "web", "--runtime-dir", dir.path, "--drain", "quiesce"];
      const words = [...batonCommand(), "run", ...own, "--", ...command];
      await using running = await at80(words, { ...env, NO_COLOR: "1" });
      await running.shows("info: generation 0 serves");
      await using load = send(port, `/slow?ms=${SLOW_MS}`);
      await waitUntil(async () => {
        const status = await callSocket(dir.join("web.sock"), "GET", "/v1/status") as Snapshot;
        return status.generations[0]?.connections.busy === 1;
      }, { what: "the request is in flight" });
      const stop = [...batonCommand(), "stop", "--runtime-dir", dir.path];
      await using asking = await at80(stop, { NO_COLOR: "1" });
      await asking.shows(`${PROGRESS}generation 0: draining 1 of 1, `);
      await running.shows(TAKES_ROW);
      await running.shows("generation 0: draining 1 of 1, ");
      await running.shows(GIVES_ROW);
      await asking.shows(`${PROGRESS}web has stopped`);
      assert.deepEqual([await asking.ends(), await running.ends()], [0, 0], running.screen);
      assert.equal((await load.finished()).lost, 0);
    },
  );
});

describe("color", () => {
  test(
    "of status is for terminals, unless NO_COLOR or FORCE_COLOR decide",
    AT_TERMINAL,
    async () => {
      const port = await freePort();
      await using baton = await startBaton(server(port));
      const words = [...batonCommand(), "status", "--runtime-dir", baton.dir.path];
      const green = new RegExp(`${ESCAPE}\\[32m0 +serving .*${ESCAPE}\\[0m`);
      const shown = async (env: Record<string, string>) => {
        await using terminal = await at80(words, env);
        assert.equal(await terminal.ends(), 0, terminal.screen);
        return terminal.screen;
      };
      assert.match(await shown({}), green);
      assert.ok(!(await shown({ NO_COLOR: "1" })).includes(ESCAPE));
      assert.ok(!(await baton.cli("status")).stdout.includes(ESCAPE));
      const forced = await runCommand(words, { env: { FORCE_COLOR: "1", NO_COLOR: "" } });
      assert.match(forced.stdout, green);
    },
  );
});
