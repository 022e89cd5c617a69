/** baton in a terminal: output, keyboard, job control, and what Ctrl-C means. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import type { Snapshot } from "../../src/report/snapshot.ts";
import { batonCommand, callSocket } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally } from "../support/tally.ts";
import { Load } from "../support/load.ts";
import { CONTAINER, noContainer } from "../support/pid1.ts";
import { children, state } from "../support/proc.ts";
import { findPython, fixture, required } from "../support/programs.ts";
import { fixtureCommand } from "../support/servers.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { atTerminal, noTerminal, type Terminal } from "../support/terminal.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS, skip: noTerminal };
const SHELL = "/bin/bash";
const WITH_SHELL = { ...TEST, skip: noTerminal || !existsSync(SHELL) && "needs bash" };
const INTERACTIVE = [SHELL, "--norc", "-i"];
/** What the shell in front of baton shows when it waits, and the one under it. */
const PROMPT = { PS1: "outer> ", HISTFILE: "" };
const [CTRL_C, CTRL_D, CTRL_Z] = ["\x03", "\x04", "\x1a"];
/** Process 1 that can also reload is in test/long. */
const PLACES = [["", []], [", as process 1", CONTAINER]] as const;
const MODES = [["run", []], ["shutdown only", ["--shutdown-only", "--quiet", "0"]]] as const;

function baton(dir: TempDir, flags: readonly string[], command: readonly string[]): string[] {
  const own = ["--name", "web", "--runtime-dir", dir.path, "--log-file", dir.join("log")];
  return [...batonCommand(), "run", ...own, ...flags, "--", ...command];
}

const status = (dir: TempDir) =>
  callSocket(dir.join("web.sock"), "GET", "/v1/status") as Promise<Snapshot>;

async function serves(dir: TempDir, epoch = 0): Promise<number> {
  const { generations } = await waitUntil(async () => {
    const snapshot = await status(dir);
    return snapshot.epoch === epoch ? snapshot : null;
  }, { what: `generation ${epoch} serves` });
  return generations.find((generation) => generation.epoch === epoch)?.pid ?? 0;
}

const ask = (port: number, path: string) =>
  new Load({ port, path, clients: 1, maxRequests: 1 }).start();

/** A request that takes a while, and has reached a server that serves: one that only starts is not drained. */
async function inFlight(
  terminal: Terminal,
  { port, dir, mode = "run", ms }: { port: number; dir: TempDir; mode?: string; ms: number },
): Promise<Load> {
  await terminal.shows("terminals");
  if (mode === "run") await serves(dir);
  await waitUntil(async () => (await fetch(`http://127.0.0.1:${port}/`)).ok, {
    what: "it answers",
  });
  const load = ask(port, `/slow?ms=${ms}`);
  await terminal.shows("asked for /slow");
  return load;
}

const talker = () => fixtureCommand("at_terminal.py");

describe("output", () => {
  test("lines are there as they are printed, and the server sees a terminal", TEST, async () => {
    using dir = tempDir();
    const port = await freePort();
    await using terminal = await atTerminal(baton(dir, [], talker()), { PORT: String(port) });
    await terminal.shows("terminals True True True");
    await serves(dir);
    const load = ask(port, "/some/where");
    await terminal.shows("asked for /some/where");
    assert.equal((await load.finished()).ok, 1);
  });

  const STREAMS = [
    ["standard output only", `exec "$@" 2>"$DIR/err"`, [], "terminals True True False"],
    [
      "a line is waited for",
      `exec "$@"`,
      ["--ready", "log:terminals"],
      "terminals True False False",
    ],
  ] as const;
  for (const [what, script, flags, shown] of STREAMS) {
    test(`${what}: ${shown}`, TEST, async () => {
      using dir = tempDir();
      const env = { PORT: String(await freePort()), DIR: dir.path, PYTHONUNBUFFERED: "1" };
      const words = ["sh", "-c", script, "sh", ...baton(dir, flags, talker())];
      await using terminal = await atTerminal(words, env);
      await terminal.shows(shown);
      await serves(dir);
    });
  }
});

describe("a shell under baton", () => {
  for (const [mode, flags] of MODES) {
    for (const [place, wrapper] of mode === "run" ? PLACES.slice(0, 1) : PLACES) {
      const skip = WITH_SHELL.skip || place !== "" && noContainer;
      test(`${mode}${place}: keyboard, job control, status`, { ...TEST, skip }, async () => {
        using dir = tempDir();
        const words = [
          ...wrapper,
          ...wrapper.length > 0 ? ["setsid", "--ctty"] : [],
          ...baton(dir, flags, INTERACTIVE),
        ];
        await using terminal = await atTerminal(words, { ...PROMPT, PS1: "inner> " });
        await terminal.shows("inner> ");
        terminal.type("echo go''es; cat\r");
        await terminal.shows("goes");
        terminal.type("typed\r");
        await terminal.shows("typed\r\ntyped");
        terminal.type(CTRL_Z);
        await terminal.shows("Stopped");
        await terminal.shows("inner> ");
        terminal.type("fg\r");
        await terminal.shows("fg");
        await terminal.shows("cat");
        terminal.type("again\r");
        await terminal.shows("again\r\nagain");
        terminal.type(CTRL_C);
        await terminal.shows("inner> ");
        terminal.type("jobs; exit 3\r");
        assert.equal(await terminal.ends(), 3, readFileSync(dir.join("log"), "utf8"));
      });
    }
  }

  test("one that serves meanwhile ends with its status too", WITH_SHELL, async () => {
    using dir = tempDir();
    const env = { ...PROMPT, PS1: "inner> ", PORT: String(await freePort()) };
    await using terminal = await atTerminal(baton(dir, [], INTERACTIVE), env);
    await terminal.shows("inner> ");
    terminal.type(`${talker().join(" ")}\r`);
    await terminal.shows("terminals True True True");
    await serves(dir);
    terminal.type(CTRL_C);
    await terminal.shows("inner> ");
    terminal.type("exit 4\r");
    assert.equal(await terminal.ends(), 4, readFileSync(dir.join("log"), "utf8"));
  });
});

describe("a server at a terminal", () => {
  for (const [mode, flags] of MODES) {
    test(`${mode}: Ctrl-C stops it, a request in flight is answered`, TEST, async () => {
      using dir = tempDir();
      const port = await freePort();
      await using terminal = await atTerminal(baton(dir, flags, talker()), { PORT: String(port) });
      await using load = await inFlight(terminal, { port, dir, mode, ms: 500 });
      terminal.type(CTRL_C);
      assert.equal(await terminal.ends(), 0, terminal.screen);
      const tally = await load.finished();
      assert.equal(tally.ok, 1, formatTally(tally));
    });
  }

  test("Ctrl-C twice cuts", TEST, async () => {
    using dir = tempDir();
    const port = await freePort();
    await using terminal = await atTerminal(baton(dir, [], talker()), { PORT: String(port) });
    await using load = await inFlight(terminal, { port, dir, ms: 45_000 });
    terminal.type(CTRL_C);
    await waitUntil(async () => (await status(dir)).generations[0]?.state === "draining", {
      what: "it drains",
    });
    // No hand is faster, and a key that is held down is.
    await new Promise((resolve) => setTimeout(resolve, 150));
    terminal.type(CTRL_C);
    assert.equal(await terminal.ends(), 124, terminal.screen);
    assert.equal((await load.finished()).lost, 1);
  });

  for (const [signal, delay] of [["SIGTERM", "0.3"], ["SIGINT", "0.1"]] as const) {
    for (const [mode, flags] of signal === "SIGTERM" ? MODES : MODES.slice(0, 1)) {
      test(`${mode}: Ctrl-C, and ${signal} from a manager, are one`, TEST, async () => {
        using dir = tempDir();
        const port = await freePort();
        const manager = [required("python3", findPython()), fixture("passes_on.py")];
        const env = { PORT: String(port), SIGNAL_OUT: signal, DELAY: delay };
        await using terminal = await atTerminal([...manager, ...baton(dir, flags, talker())], env);
        await using load = await inFlight(terminal, { port, dir, mode, ms: 700 });
        terminal.type(CTRL_C);
        assert.equal(await terminal.ends(), 0, terminal.screen);
        const tally = await load.finished();
        assert.equal(tally.ok, 1, formatTally(tally));
        assert.match(readFileSync(dir.join("log"), "utf8"), /part of the previous stop request/);
      });
    }
  }

  test("that reads gets the keyboard, until a second generation starts", TEST, async () => {
    using dir = tempDir();
    const port = await freePort();
    const env = { PORT: String(port), READS: "1" };
    await using terminal = await atTerminal(baton(dir, [], talker()), env);
    const first = await serves(dir);
    await waitUntil(() => terminal.foreground === first, { what: "it has the keyboard" });
    terminal.type("one\r");
    await terminal.shows("read one");
    const report = await callSocket(dir.join("web.sock"), "POST", "/v1/reload");
    assert.equal((report as { result: string }).result, "ok");
    await terminal.shows("terminals False True True");
    await terminal.shows("read all");
    await serves(dir, 1);
    assert.equal(terminal.foreground, terminal.pid, "baton has it");
    terminal.type(CTRL_C);
    assert.equal(await terminal.ends(), 0, terminal.screen);
  });

  for (const [mode, flags] of MODES) {
    test(`${mode}: Ctrl-Z stops nothing where no shell waits`, TEST, async () => {
      using dir = tempDir();
      await using terminal = await atTerminal(baton(dir, flags, ["cat"]));
      terminal.type("one\r");
      await terminal.shows("one\r\none");
      terminal.type(CTRL_Z);
      await terminal.shows("^Z");
      terminal.type("two\r");
      await terminal.shows("two\r\ntwo");
      terminal.type(CTRL_D);
      assert.equal(await terminal.ends(), 0, terminal.screen);
    });
  }

  test("that reads and is interrupted ends baton, with its status", TEST, async () => {
    using dir = tempDir();
    const env = { PORT: String(await freePort()), READS: "1" };
    await using terminal = await atTerminal(baton(dir, [], talker()), env);
    const first = await serves(dir);
    await waitUntil(() => terminal.foreground === first, { what: "it has the keyboard" });
    terminal.type(CTRL_C);
    assert.equal(await terminal.ends(), 130, terminal.screen);
  });
});

describe("baton under a shell", () => {
  test("Ctrl-Z stops all, fg and bg continue all", WITH_SHELL, async () => {
    using dir = tempDir();
    const port = await freePort();
    await using terminal = await atTerminal(INTERACTIVE, { ...PROMPT, PORT: String(port) });
    await terminal.shows("outer> ");
    terminal.type(`${baton(dir, [], talker()).join(" ")}\r`);
    const pid = await serves(dir);
    terminal.type(CTRL_Z);
    await terminal.shows("Stopped");
    await waitUntil(() => state(pid) === "T", { what: "the server is stopped too" });
    terminal.type("bg\r");
    await waitUntil(() => state(pid) !== "T", { what: "it goes on in the background" });
    const load = ask(port, "/in/background");
    await terminal.shows("asked for /in/background");
    assert.equal((await load.finished()).ok, 1);
    terminal.type("fg\r");
    await waitUntil(async () => terminal.foreground === (await status(dir)).pid, { what: "fg" });
    terminal.type(CTRL_C);
    await terminal.shows("outer> ");
    terminal.type("exit $?\r");
    assert.equal(await terminal.ends(), 0, terminal.screen);
  });

  for (const [mode, flags] of MODES) {
    test(
      `${mode}: cat in the background waits for fg; Ctrl-Z, and fg again`,
      WITH_SHELL,
      async () => {
        using dir = tempDir();
        await using terminal = await atTerminal(INTERACTIVE, PROMPT);
        await terminal.shows("outer> ");
        terminal.type(`${baton(dir, flags, ["cat"]).join(" ")} &\r`);
        await terminal.shows("outer> ");
        const own = Number(/\[1\] (\d+)/.exec(terminal.screen)?.[1]);
        // Not the first child: baton tries out what works here before.
        const leader = await waitUntil(() => children(own).find((pid) => state(pid) === "T"), {
          what: "it is stopped, because it reads",
        });
        // Its shell is told when the last thread has stopped, and says so before its next prompt.
        const threads = () => readdirSync(`/proc/${own}/task`).map(Number);
        await waitUntil(() => threads().every((thread) => state(thread) === "T"), {
          what: "baton is, as a job that reads",
        });
        terminal.type("echo mi''ne\r");
        await terminal.shows("mine");
        await terminal.shows("Stopped");
        for (const word of ["first", "second"]) {
          terminal.type("fg\r");
          await waitUntil(() => terminal.foreground === leader, { what: "cat has the keyboard" });
          terminal.type(`${word}\r`);
          await terminal.shows(`${word}\r\n${word}`);
          if (word === "second") break;
          terminal.type(CTRL_Z);
          await terminal.shows("Stopped");
        }
        terminal.type(CTRL_D);
        await terminal.shows("outer> ");
        terminal.type("exit $?\r");
        assert.equal(await terminal.ends(), 0, terminal.screen);
      },
    );
  }
});
