/** `baton top` and progress, as people see them at a terminal, and as programs read them in a pipe. */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { readlinkSync } from "node:fs";
import { connect, type Socket } from "node:net";
import process from "node:process";
import { describe, test } from "node:test";
import type { Snapshot } from "../../src/report/snapshot.ts";
import { batonCommand, callSocket, runCommand, startBaton } from "../support/baton.ts";
import { server } from "../support/controlled.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { children, state } from "../support/proc.ts";
import { IS_FULL } from "../support/repeats.ts";
import { atTerminal, noTerminal, type Terminal } from "../support/terminal.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const AT_TERMINAL = { ...TEST, skip: noTerminal };
const IN_FULL = { ...TEST, skip: noTerminal || !IS_FULL && "in make test-all" };
/** In the reply to a terminal: it goes to its other screen, and back. */
const [ENTERS, LEAVES] = ["\x1b[?1049h", "\x1b[?1049l"];
const [ESCAPE, CTRL_Z] = ["\x1b", "\x1a"];
/** Deno itself sends other sequences to a terminal. */
const COLOR = new RegExp(`${ESCAPE}\\[[\\d;]+m`);
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

const status = ({ path }: TempDir) =>
  callSocket(`${path}/web.sock`, "GET", "/v1/status") as Promise<Snapshot>;

/** A request whose end is still to come: a server with it drains for as long as the test wants. */
class OpenRequest implements Disposable {
  readonly #socket: Socket;
  #answer = "";

  private constructor(port: number) {
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.on("data", (bytes) => this.#answer += String(bytes));
    this.#socket.on("error", (error) => this.#answer += String(error));
    this.#socket.write("GET / HTTP/1.1\r\nHost: test\r\n");
  }

  static async at(port: number, dir: TempDir): Promise<OpenRequest> {
    const request = new OpenRequest(port);
    await waitUntil(async () => (await status(dir)).generations.at(-1)?.connections.busy === 1, {
      what: "the server has it",
    });
    return request;
  }

  async finish(): Promise<void> {
    this.#socket.write("Connection: close\r\n\r\n");
    await waitUntil(() => this.#answer !== "", { what: "an answer" });
    assert.match(this.#answer, /^HTTP\/1.1 200 /);
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
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
      using request = await OpenRequest.at(port, baton.dir);
      assert.equal((await baton.reload()).result, "ok");
      await terminal.shows("generation 0: draining 1 of 1, ");
      await request.finish();
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
      await waitUntil(() => /GEN +STATE +SHARE +BUSY +THE LAST /.test(lastFrame(terminal)), {
        what: `the narrow table\n${lastFrame(terminal)}`,
      });
      const [top = 0] = children(terminal.pid);
      terminal.type(CTRL_Z);
      await terminal.shows(LEAVES);
      await waitUntil(() => state(top) === "T", { what: "it is suspended" });
      assert.match(modes(terminal), / icanon.* echo /s);
      process.kill(top, "SIGCONT");
      await terminal.shows(ENTERS);
      terminal.type("q");
      await terminal.shows(LEAVES);
      await terminal.shows("ends");
      assert.match(modes(terminal), / icanon.* echo /s);
      terminal.type("\n");
      assert.equal(await terminal.ends(), 0, terminal.screen);
    },
  );

  const ends = [["\x03", null, 0], ["\x1c", null, 131], ["", "SIGTERM", 143]] as const;
  for (const [keys, signal, status] of ends) {
    test(
      `${signal ?? JSON.stringify(keys)} ends it, and gives the terminal back`,
      keys === "\x03" ? IN_FULL : AT_TERMINAL,
      async () => {
        const port = await freePort();
        await using baton = await startBaton(server(port));
        await using terminal = await at80(topOf(baton));
        await terminal.shows("generation 0 serves");
        if (signal === null) terminal.type(keys);
        else process.kill(terminal.pid, signal);
        await terminal.shows(LEAVES);
        assert.equal(await terminal.ends(), status, terminal.screen);
      },
    );
  }

  test("says when baton does not answer, and goes on with the next one", IN_FULL, async () => {
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
    assert.match(terminal.screen.trimEnd(), new RegExp(line.source.slice(1)));
    assert.ok(!terminal.screen.includes(ENTERS), terminal.screen);
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
      const first = JSON.parse(text.split("\n")[0]!);
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

/** The reload waits for the drain of the generation before. */
const STOP_FIRST = ["--order", "stop-first", "--drain", "quiesce"];
/** After this time a terminal shows something. */
const SHOWN_MS = 1_000;

describe("progress", () => {
  test("of a reload is shown at a terminal, and leaves no trace", AT_TERMINAL, async () => {
    const port = await freePort();
    await using baton = await startBaton({ ...server(port), flags: STOP_FIRST });
    using request = await OpenRequest.at(port, baton.dir);
    const words = [...batonCommand(), "reload", "--runtime-dir", baton.dir.path];
    await using terminal = await at80(words, { NO_COLOR: "1" });
    await terminal.shows(`${PROGRESS}generation 1: waits; generation 0: draining 1 of 1, `);
    await request.finish();
    await terminal.shows(PROGRESS);
    await terminal.shows("generation 1 serves after");
    assert.equal(await terminal.ends(), 0, terminal.screen);
  });

  test("a reload whose time is over takes it away", IN_FULL, async () => {
    const port = await freePort();
    await using baton = await startBaton({ ...server(port), flags: STOP_FIRST });
    using request = await OpenRequest.at(port, baton.dir);
    const words = [...batonCommand(), "reload", "--runtime-dir", baton.dir.path];
    await using terminal = await at80([...words, "--timeout", "1200ms"], { NO_COLOR: "1" });
    await terminal.shows(`${PROGRESS}generation 1: waits`);
    await terminal.shows(PROGRESS);
    await terminal.shows('baton: Cannot reach "web": no reply in time');
    assert.equal(await terminal.ends(), 124, terminal.screen);
    await request.finish();
  });

  test("a pipe never sees it", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton({ ...server(port), flags: STOP_FIRST });
    using request = await OpenRequest.at(port, baton.dir);
    const reload = baton.cli("reload");
    await waitUntil(async () => {
      const [old] = (await baton.status()).generations;
      return old?.state === "draining" && (old.stateMs ?? 0) > SHOWN_MS;
    }, { what: "the reload waits" });
    await request.finish();
    const { code, stdout, stderr } = await reload;
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /^generation 1 serves after \d+ ms\n/);
    assert.ok(!stdout.includes(ESCAPE), stdout);
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
      using request = await OpenRequest.at(port, dir);
      const stop = [...batonCommand(), "stop", "--runtime-dir", dir.path];
      await using asking = await at80(stop, { NO_COLOR: "1" });
      await asking.shows(`${PROGRESS}generation 0: draining 1 of 1, `);
      await running.shows(TAKES_ROW);
      await running.shows("generation 0: draining 1 of 1, ");
      await request.finish();
      await running.shows(GIVES_ROW);
      await asking.shows(PROGRESS);
      await asking.shows("web has stopped");
      assert.deepEqual([await asking.ends(), await running.ends()], [0, 0], running.screen);
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
      assert.doesNotMatch(await shown({ NO_COLOR: "1" }), COLOR);
      assert.ok(!(await baton.cli("status")).stdout.includes(ESCAPE));
      const forced = await runCommand(words, { env: { FORCE_COLOR: "1", NO_COLOR: "" } });
      assert.match(forced.stdout, green);
    },
  );
});
