/**
 * Promise: variables that are meant for the server's runtime change nothing about baton, its launcher, its holder or the
 * baton that it becomes by an upgrade; the server gets them as they were.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, test } from "node:test";
import { batonCommand, runCommand, startBaton, UNDER_TEST } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { listeners } from "../support/proc.ts";
import { findBun, findDeno, fixture } from "../support/programs.ts";
import { fixtureCommand } from "../support/servers.ts";
import { servingPid } from "../support/serving_pid.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const OPTIONS = { timeout: TEST_TIMEOUT_MS };
/** One of each kind that any Bun program heeds. */
const FOR_BUN: readonly (readonly [string, string])[] = [
  ["BUN_BE_BUN", "1"],
  ["BUN_OPTIONS", "--preload SCRIPT"],
  ["BUN_JSC_useJIT", "0"],
  ["BUN_JSC_dumpOptions", "2"],
  ["BUN_JSC_noSuchOption", "1"],
  ["JavaScriptCoreUseJIT", "0"],
  ["BUN_BYTECODE_ORDER_OUT", "OUTPUT"],
  ["MIMALLOC_VERBOSE", "1"],
  ["SIMDUTF_FORCE_IMPLEMENTATION", "none"],
];
/** Of those that Deno heeds, what it has done before baton's first line it has done. */
const FOR_DENO: readonly (readonly [string, string])[] = [
  ["NODE_OPTIONS", "--require SCRIPT"],
  ["DENO_COVERAGE_DIR", "OUTPUT"],
  ["DENO_V8_FLAGS", "--trace-gc"],
];
const HEEDED = UNDER_TEST === "bun" ? FOR_BUN : FOR_DENO;

/** A script for the variables to load, which makes a directory with the name of its process. */
function place() {
  const dir = tempDir("variables");
  const [script, ran, output] = [dir.join("script.cjs"), dir.join("ran"), dir.join("output")];
  mkdirSync(ran);
  writeFileSync(
    script,
    `require("fs").mkdirSync(${JSON.stringify(ran)} + "/" + process.pid);`,
  );
  const fill = (variables: readonly (readonly [string, string])[]) =>
    Object.fromEntries(
      variables.map(([name, value]) =>
        [name, value.replace("SCRIPT", script).replace("OUTPUT", output)] as const
      ),
    );
  const ranIn = () => readdirSync(ran);
  return { dir, output, fill, ranIn };
}

function environOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
}

describe("variables for the server's runtime", () => {
  for (const [name, value] of HEEDED) {
    test(`"baton --version" with ${name}=${value}`, OPTIONS, async () => {
      const { dir, output, fill, ranIn } = place();
      using _dir = dir;
      const { code, stdout, stderr } = await runCommand([...batonCommand(), "--version"], {
        env: fill([[name, value]]),
      });
      // DENO_V8_FLAGS may have made Deno print before baton began.
      const said = stdout.split("\n").filter((line) => !line.includes("ms: ")).join("\n").slice(
        0,
        500,
      );
      assert.deepEqual([said, stderr.slice(0, 500), code], ["baton 0.1.0\n", "", 0]);
      assert.equal(existsSync(output), false, "it wrote what it was not asked for");
      if (UNDER_TEST === "bun") assert.deepEqual(ranIn(), []);
    });
  }

  test(
    "run, reload, upgrade: they reach each server, and nothing of baton's heeds them",
    OPTIONS,
    async () => {
      const { dir, output, fill, ranIn } = place();
      using _dir = dir;
      const env = fill([...FOR_BUN, ...FOR_DENO]);
      await using baton = await startBaton({
        command: fixtureCommand("python_threaded.py"),
        env: { ...env, PORT: String(await freePort()) },
        // A holder is one more process that runs baton's program.
        flags: ["--survive"],
      });
      const expected = Object.entries(env).map(([name, value]) => `${name}=${value}`);
      const isThere = async (what: string) => {
        const found = new Set(environOf(servingPid(await baton.settled())));
        assert.deepEqual(expected.filter((entry) => !found.has(entry)), [], `missing ${what}`);
      };
      await isThere("at the start");
      for (const words of [["reload"], ["upgrade", "--in-place"], ["upgrade"]]) {
        const { code, stderr } = await baton.cli(...words);
        assert.equal(code, 0, stderr);
        await isThere(`after ${words.join(" ")}`);
      }
      const { code } = await baton.cli("stop");
      assert.equal(code, 0);
      // On Deno it ran in the process that the user has started, before baton's first line: not in any other.
      assert.deepEqual(ranIn(), UNDER_TEST === "bun" ? [] : [String(baton.pid)], "where it ran");
      assert.equal(existsSync(output), false, "something wrote what it was not asked for");
    },
  );
});

describe("the inspector of the server's runtime", () => {
  // The runtime that baton runs on is the one that could take its port.
  const isBun = UNDER_TEST === "bun";
  const variable = isBun ? "BUN_INSPECT" : "NODE_OPTIONS";
  const program = isBun ? findBun() : findDeno();
  const script = isBun
    ? [fixture("bun_serve.ts")]
    : ["run", "-A", "--no-config", fixture("deno_serve.ts")];
  const skip = program === null && `${UNDER_TEST} is missing`;

  test(
    `${variable} opens it in the server, and after a reload too`,
    { ...OPTIONS, skip },
    async () => {
      const [port, inspector] = [await freePort(), await freePort()];
      await using baton = await startBaton({
        command: [program!, ...script],
        env: {
          PORT: String(port),
          [variable]: isBun ? `ws://127.0.0.1:${inspector}/x` : `--inspect=127.0.0.1:${inspector}`,
        },
      });
      for (const epoch of [0, 1]) {
        if (epoch === 1) await baton.reload();
        const pid = servingPid(await baton.settled());
        await waitUntil(() => {
          const ports = listeners(pid).map((one) => one.port);
          return ports.includes(port) && ports.includes(inspector);
        }, { what: `generation ${epoch} listens at ${port} and ${inspector}\n${baton.stderr}` });
      }
    },
  );
});
