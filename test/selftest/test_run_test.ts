/** The test runner is honest: what did not run, or did not end well, has failed, on both runtimes. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { type TestResult } from "../../scripts/test_junit.ts";
import { runCommand } from "../support/baton.ts";
import { findBun, findDeno, REPOSITORY, required } from "../support/programs.ts";
import { alive } from "../support/proc.ts";
import { tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const LIMIT_MS = 3_000;
const HEAD =
  'import { describe, test } from "node:test";\nimport { spawn } from "node:child_process";\n';

interface Seen {
  readonly results: readonly TestResult[];
  readonly reasons: readonly (readonly [string, string])[];
}

/** Runs a test file by `scripts/test_run.ts`, which needs Deno itself. */
async function runFile(runner: "bun" | "deno", source: string): Promise<Seen> {
  using dir = tempDir();
  const file = dir.write("a_test.ts", HEAD + source);
  const junit = dir.join("report.xml");
  const deno = required("deno", findDeno());
  const command = runner === "deno"
    ? [deno, "test", "-A", "--no-check", `--junit-path=${junit}`, file]
    : [
      required("bun", findBun()),
      "test",
      "--preload=./scripts/test_preload.ts",
      "--reporter=junit",
      `--reporter-outfile=${junit}`,
      file,
    ];
  const job = { title: "a", command, env: {}, junit, log: dir.join("log"), limitMs: LIMIT_MS };
  const driver = dir.write(
    "driver.ts",
    `import { run } from ${JSON.stringify(join(REPOSITORY, "scripts", "test_run.ts"))};
     const { results, reasons } = await run(${JSON.stringify(job)});
     console.log(JSON.stringify({ results, reasons: [...reasons] }));`,
  );
  const { stdout, stderr } = await runCommand([deno, "run", "-A", "--no-check", driver]);
  assert.notEqual(stdout, "", stderr);
  return JSON.parse(stdout);
}

function lines({ results }: Seen): string[] {
  return results.map(({ name, status }) => `${status} ${name}`).sort();
}

for (const runner of ["bun", "deno"] as const) {
  describe(`run() with ${runner}`, () => {
    test("counts tests, not groups, and what was skipped", async () => {
      const seen = await runFile(
        runner,
        `test("alone", () => {});
         describe("group", () => {
           test("in it", () => {});
           test("fails", () => { throw new Error("no"); });
           test("not here", { skip: "too cold" }, () => {});
         });
         describe("no group", { skip: "too hot" }, () => { test("a", () => {}); });`,
      );
      assert.deepEqual(lines(seen), [
        "failed group > fails",
        "passed alone",
        "passed group > in it",
        "skipped group > not here",
        "skipped no group",
      ]);
      // Deno does not tell why; the runner takes it from Bun's run.
      const reasons = [["no group", "too hot"], ["not here", "too cold"]];
      assert.deepEqual([...seen.reasons].sort(), runner === "bun" ? reasons : []);
    });

    test("fails a file without tests", async () => {
      const [first = "", ...more] = lines(await runFile(runner, ""));
      assert.match(first, /^failed (?:ran no test|ended without a report)/);
      assert.deepEqual(more, []);
    });

    test("fails a file that cannot be loaded", async () => {
      const seen = lines(await runFile(runner, 'test("a", () => {});\nimport "./gone.ts";'));
      assert.ok(seen.some((line) => line.startsWith("failed ")), seen.join("\n"));
    });

    test("fails a file whose process ends early, even well", async () => {
      const [first = "", ...more] = lines(
        await runFile(runner, 'test("a", () => process.exit(0));'),
      );
      assert.match(first, /^failed /);
      assert.deepEqual(more, []);
    });

    test("fails and kills a file that takes too long", async () => {
      const seen = lines(await runFile(runner, 'test("a", () => { for (;;); });'));
      assert.ok(
        seen.includes(`failed took longer than ${LIMIT_MS / 1000} s and was killed`),
        seen.join(),
      );
    });

    test("fails a file that leaves a process behind, and kills that", async () => {
      const seen = lines(
        await runFile(
          runner,
          `test("a", () => {
             spawn("sleep", ["77"], { stdio: "ignore", detached: true }).unref();
           });`,
        ),
      );
      const [left = ""] = seen.filter((line) => line.startsWith("failed "));
      const pid = /^failed left process (\d+) behind: \S*sleep 77$/.exec(left)?.[1];
      assert.ok(pid !== undefined && seen.includes("passed a"), seen.join("\n"));
      await waitUntil(() => !alive(Number(pid)), { what: "it is gone" });
    });
  });
}
