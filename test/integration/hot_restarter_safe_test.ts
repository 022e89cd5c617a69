/**
 * The promise: `baton hot-restarter --safe TARGET` takes the unmodified start script of Envoy's hot restart, and reloads it as
 * any other server: a bad configuration harms nothing, and reloads may follow each other at once. (All rows: `make bench-envoy`.)
 */
import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { describe, test } from "node:test";
import { type Baton, startBaton } from "../support/baton.ts";
import { ENVOY_VERSIONS, envoyProgram } from "../support/envoy.ts";
import { EnvoyScript, type ScriptOptions } from "../support/envoy_script.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { formatTally, Load } from "../support/load.ts";
import { children } from "../support/proc.ts";
import { IS_FULL } from "../support/repeats.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const { skip } = envoyProgram();
const TEST = { timeout: TEST_TIMEOUT_MS, skip };
const FULL = { timeout: TEST_TIMEOUT_MS, skip: skip || (!IS_FULL && "is for make test-all") };

async function safely(dir: TempDir, options: ScriptOptions = {}, flags: readonly string[] = []) {
  const script = new EnvoyScript(dir, await freePort(), options);
  const verb = ["hot-restarter", "--safe"];
  const baton = await startBaton({ verb, command: [script.path], env: {}, flags });
  return { script, baton };
}

/** Envoy leaves it, whose name is its secret with a dynamic base id. */
function removeMemory(baton: Baton): void {
  for (const pid of children(baton.pid)) {
    const maps = readFileSync(`/proc/${pid}/maps`, "utf8");
    const path = /\/dev\/shm\/envoy_shared_memory_\d+/.exec(maps)?.[0];
    if (path !== undefined) rmSync(path, { force: true });
  }
}

describe("hot-restarter --safe", () => {
  test("a bad configuration harms nothing, and two Envoys of epoch 0 live", TEST, async () => {
    using dir = tempDir("safe");
    const { script: own, baton: service } = await safely(dir);
    using script = own;
    await using baton = service;
    const { port } = script;
    await using load = new Load({ port, clients: 3, thinkTimeMs: 5 }).start();
    await using kept = new Load({ port, clients: 3, thinkTimeMs: 20, mode: "keep-alive" }).start();
    await load.answersMore(20);
    script.breakConfiguration("{");
    const failed = await baton.reload();
    assert.equal(failed.result, "failed");
    assert.match(failed.output?.join("\n") ?? "", /unexpected|parse|JSON/i, baton.stderr);
    script.configure({ answer: "mended" });
    const both = await Promise.all([baton.reload(), baton.reload()]);
    assert.deepEqual(both.map(({ result }) => result), ["ok", "ok"], baton.stderr);
    assert.equal(await script.state(), "LIVE 0");
    assert.equal(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "mended");
    await load.answersMore(20);
    for (const tally of [await load.stop(), await kept.stop()]) {
      assert.equal(tally.lost, 0, `${formatTally(tally)}\n${baton.stderr}`);
    }
    assert.deepEqual(await baton.stop(), { code: 0, signal: null });
  });

  const SCRIPTS: readonly (readonly [string, ScriptOptions])[] = [
    ["--use-dynamic-base-id", { flags: ["--use-dynamic-base-id"] }],
    ["--socket-path @NAME", { flags: ["--socket-path @safe"] }],
    ["--socket-path /PATH", { flags: ["--socket-path $DIR/s"] }],
    ["--skip-hot-restart-on-no-parent", { flags: ["--skip-hot-restart-on-no-parent"] }],
  ];
  for (const [name, options] of SCRIPTS) {
    test(`a script with ${name}`, FULL, async () => {
      using dir = tempDir("safe");
      const flags = options.flags?.map((flag) => flag.replace("$DIR", dir.path)) ?? [];
      const { script: own, baton: service } = await safely(dir, { flags });
      using _script = own;
      await using baton = service;
      removeMemory(baton);
      for (let i = 0; i < 2; i++) {
        assert.equal((await baton.reload()).result, "ok", baton.stderr);
        removeMemory(baton);
      }
      assert.deepEqual(await baton.stop(), { code: 0, signal: null });
    });
  }

  test("USR1 makes Envoy reopen its log, behind a script", FULL, async () => {
    using dir = tempDir("safe");
    const { script: own, baton: service } = await safely(dir, {
      flags: ["--component-log-level main:info"],
    });
    using _script = own;
    await using baton = service;
    baton.signal("SIGUSR1");
    await waitUntil(() => /caught SIGUSR1/.test(baton.stdout + baton.stderr), {
      what: "it has it",
    });
  });

  test("from one version to the other, and back", FULL, async () => {
    using dir = tempDir("safe");
    const { script: own, baton: service } = await safely(dir);
    using script = own;
    await using baton = service;
    await using load = new Load({ port: script.port, clients: 3, thinkTimeMs: 5 }).start();
    for (const version of [...ENVOY_VERSIONS].reverse()) {
      script.use(envoyProgram(version));
      assert.equal((await baton.reload()).result, "ok", baton.stderr);
      await load.answersMore(20);
    }
    const tally = await load.stop();
    assert.equal(tally.lost, 0, formatTally(tally));
  });
});
