/**
 * Fault: wrong words, places that are taken, and clients that do not behave.
 *
 * Allowed outcome: `baton run` refuses with 64 (wrong; change something) or 75 (taken; later may do) and one
 * message that names the thing and the remedy; nothing is started and nothing is left behind. A baton that
 * runs is not disturbed, whatever comes to its control socket. What is merely stale is taken over.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { batonCommand, runCommand } from "../support/baton.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { tempDir } from "../support/temp_dir.ts";
import { nothingLeftIn, refuses, tracingServer } from "../support/refusals.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };

const EXIT_USAGE = 64;

const EXIT_SYSTEM = 71;

describe("wrong words are refused with 64", () => {
  const OF_RUN: readonly [what: string, words: readonly string[], names: RegExp, remedy: RegExp][] =
    [
      ["an unknown flag", ["--nope"], /Unknown option --nope for run/, /--help/],
      ["a mistyped flag", ["--lisen", "80"], /Unknown option --lisen .*mean --listen\?/, /--help/],
      ["no command", [], /command of the server is missing/, /baton run -- PROGRAM/],
      [
        "a listener without port",
        ["--listen", "localhost"],
        /"localhost": the port/,
        /ADDRESS:PORT/,
      ],
      [
        "a listener at port 0",
        ["--listen", "127.0.0.1:0"],
        /"127.0.0.1:0": port 0/,
        /Use the port/,
      ],
      [
        "a port beyond 65535",
        ["--listen", ":65536"],
        /":65536": ports end at 65535/,
        /ADDRESS:PORT/,
      ],
      [
        "a host name",
        ["--listen", "example.org:80"],
        /host names are not looked up/,
        /127\.0\.0\.1/,
      ],
      ["IPv6 without brackets", ["--listen", "::1:80"], /needs brackets/, /\[::1\]:8080/],
      [
        "the same address twice",
        ["--listen", "127.0.0.1:8080", "--listen", "b=127.0.0.1:8080"],
        /127\.0\.0\.1:8080 twice: as "listen0" and as "b"/,
        /Remove one/,
      ],
      [
        "the same listener name twice",
        ["--listen", "a=8080", "--listen", "a=8081"],
        /listener name "a" twice: for 0\.0\.0\.0:8080 and for 0\.0\.0\.0:8081/,
        /its own name/,
      ],
      [
        "an option given twice",
        ["--drain-time", "1s", "--drain-time", "2s"],
        /--drain-time is given more than once/,
        /Give it once/,
      ],
    ];
  for (const [what, words, names, remedy] of OF_RUN) {
    test(`refuses ${what}`, TEST, async () => {
      using work = tempDir();
      using directory = tempDir();
      const command = what === "no command" ? [] : ["--", ...tracingServer(work)];
      const all = ["--runtime-dir", directory.path, ...words, ...command];
      await refuses(work, all, { code: EXIT_USAGE, names, remedy });
      await nothingLeftIn(directory.path);
    });
  }

  const VERBS: readonly [words: readonly string[], names: RegExp, remedy: RegExp][] = [
    [["statsu"], /Unknown command "statsu": did you mean status\?/, /baton --help/],
    [["reload", "a", "b"], /Unexpected word "b" for reload/, /baton reload --help/],
    [["stop", "--jsno"], /Unknown option --jsno for stop/, /baton stop --help/],
    [["status", "--name", "../etc"], /In --name: cannot use "..\/etc"/, /letters|^ /],
  ];
  for (const [words, names, remedy] of VERBS) {
    test(`refuses "baton ${words.join(" ")}"`, TEST, async () => {
      const { code, stderr } = await runCommand([...batonCommand(), ...words]);
      assert.equal(code, EXIT_USAGE, stderr);
      assert.match(stderr, names);
      assert.match(stderr, remedy);
    });
  }
});

describe("output that nobody can have", () => {
  const COMMANDS = ["init systemd -- server", "doctor", "version"];

  for (const words of COMMANDS) {
    test(`baton ${words}: is no success on a full disk`, TEST, async () => {
      const script = 'exec "$@" >/dev/full';
      const all = [...batonCommand(), ...words.split(" ")];
      const { code, stderr } = await runCommand(["sh", "-c", script, "sh", ...all]);
      assert.equal(code, EXIT_SYSTEM, stderr);
      assert.match(stderr, /^baton: Cannot write to standard output: ENOSPC\n {2}\S.*\n$/);
    });

    test(`baton ${words}: is one when its reader has had enough`, TEST, async () => {
      using work = tempDir();
      const gate = work.join("gate");
      await runCommand(["mkfifo", gate]);
      // Its last reader has gone before anything is written.
      const script = 'exec 3<>"$GATE" 4>"$GATE" 3<&-; exec "$@" >&4 4>&-';
      const all = [...batonCommand(), ...words.split(" ")];
      const gone = await runCommand(["sh", "-c", script, "sh", ...all], { env: { GATE: gate } });
      assert.deepEqual(gone, { code: 0, stdout: "", stderr: "" });
    });
  }
});
