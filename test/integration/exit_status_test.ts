/** The promise: every way in which `baton run` can end has an exit status that is an interface; help ends with 0. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { describe, test } from "node:test";
import { batonCommand, runCommand, startBaton } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { fixture } from "../support/programs.ts";
import { fixtureCommand } from "../support/servers.ts";
import { tempDir } from "../support/temp_dir.ts";
import { mortal, send } from "../support/controlled.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };

const VERBS = ["run", "reload", "status", "stop", "doctor", "help", "version"];

describe("help", () => {
  for (const verb of VERBS) {
    test(`baton ${verb} --help`, TEST, async () => {
      const { code, stdout, stderr } = await runCommand([...batonCommand(), verb, "--help"]);
      assert.equal(code, 0, stderr);
      assert.equal(stderr, "");
      assert.match(stdout, new RegExp(`^Usage: baton ${verb}\\b`));
      assert.match(stdout, /\nOptions:\n/);
      assert.match(stdout, /\nExamples:\n/);
      assert.deepEqual(stdout.split("\n").filter((line) => line.length > 80), []);
      const other = await runCommand([...batonCommand(), "help", verb]);
      assert.deepEqual([other.code, other.stdout], [0, stdout]);
    });
  }

  test("baton --help names every verb", TEST, async () => {
    const { code, stdout } = await runCommand([...batonCommand(), "--help"]);
    assert.equal(code, 0);
    for (const verb of VERBS) assert.match(stdout, new RegExp(`^ {2}${verb} {2,}\\w`, "m"));
  });

  test("a --help behind the program belongs to the program", TEST, async () => {
    using work = tempDir();
    const words = ["run", "--runtime-dir", work.path, "--", "echo", "--help"];
    const { stdout } = await runCommand([...batonCommand(), ...words]);
    assert.match(stdout, /^(--help\n|Usage: .*echo)/);
  });
});

describe("exit status", () => {
  const ENDS: readonly [what: string, path: string, code: number][] = [
    ["the server's own code", "/exit/7", 7],
    ["0, as the server", "/exit/0", 0],
    ["128+n for a signal", "/kill/SIGSEGV", 128 + constants.signals.SIGSEGV],
    ["128+9 for a KILL", "/kill/SIGKILL", 128 + constants.signals.SIGKILL],
    ["128+15 for a TERM that is not ours", "/kill/SIGTERM", 128 + constants.signals.SIGTERM],
  ];
  for (const [what, path, code] of ENDS) {
    test(`--on-crash exit: ${what}`, TEST, async () => {
      const port = await freePort();
      await using baton = await startBaton({ ...mortal(port), flags: ["--on-crash", "exit"] });
      await send(port, path).finished();
      assert.deepEqual(await baton.exited, { code, signal: null }, baton.stderr);
      assert.equal(existsSync(baton.socketPath), false);
    });
  }

  test("a server that ends with 0 by itself is not started again", TEST, async () => {
    const port = await freePort();
    await using baton = await startBaton(mortal(port));
    await send(port, "/exit/0").finished();
    assert.equal((await baton.exited).code, 0, baton.stderr);
  });

  const STARTS: readonly [what: string, command: string[], code: number, says: RegExp][] = [
    [
      "127: no such program",
      ["/no/such/program"],
      127,
      /Cannot find program "\/no\/such\/program"/,
    ],
    ["127: not in PATH", ["no-such-program"], 127, /Cannot find program "no-such-program" in PATH/],
    ["126: no execute permission", [fixture("hangs.js")], 126, /Cannot execute .*hangs\.js.*chmod/],
    ["126: a directory", ["/tmp"], 126, /Cannot execute "\/tmp": it is a directory/],
    ["the server's own code before it serves", fixtureCommand("exits_at_once.js"), 3, /status 3/],
    ["128+n before it serves", ["sh", "-c", "kill -KILL $$"], 137, /killed by SIGKILL/],
  ];
  for (const [what, command, code, says] of STARTS) {
    test(`first start: ${what}`, TEST, async () => {
      await using baton = await startBaton({ command, env: {}, expectFailure: true });
      assert.deepEqual(await baton.exited, { code, signal: null }, baton.stderr);
      assert.match(baton.stderr, says);
    });
  }

  test("70 when the first generation is not ready in time", TEST, async () => {
    await using baton = await startBaton({
      command: fixtureCommand("hangs.js"),
      env: {},
      flags: ["--ready-timeout", "500ms"],
      expectFailure: true,
    });
    assert.equal((await baton.exited).code, 70, baton.stderr);
    assert.match(baton.stderr, /not ready within 0\.5 s: it does not listen/);
  });
});
