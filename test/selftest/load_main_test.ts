/** The load generator as a program: its tally on stdout, and its exit status. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { startBare } from "../support/bare_server.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { killTree } from "../support/proc.ts";
import { findBun, REPOSITORY, required } from "../support/programs.ts";
import { fixtureCommand } from "../support/servers.ts";
import { waitUntil } from "../support/wait_until.ts";

const LIMIT = { timeout: TEST_TIMEOUT_MS };

class LoadProgram implements AsyncDisposable {
  stdout = "";
  stderr = "";
  code: number | null = null;
  readonly #child;
  readonly #closed: Promise<void>;

  constructor(...argv: string[]) {
    const main = join(REPOSITORY, "test", "support", "load_main.ts");
    this.#child = spawn(required("bun", findBun()), [main, ...argv]);
    this.#child.stdout.on("data", (bytes) => this.stdout += String(bytes));
    this.#child.stderr.on("data", (bytes) => this.stderr += String(bytes));
    this.#closed = new Promise((resolve) => {
      this.#child.once("close", (code) => {
        this.code = code;
        resolve();
      });
    });
  }

  terminate(): void {
    process.kill(this.#child.pid as number, "SIGTERM"); // Deno's child.kill() falsifies the exit code
  }

  async closed(): Promise<this> {
    await waitUntil(() => this.code !== null, { what: "the load program ends" });
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.code === null && this.#child.pid !== undefined) killTree(this.#child.pid);
    await this.#closed;
  }
}

describe("load_main", () => {
  test(
    "prints its tally as JSON on SIGTERM, and exits 0 when nothing was lost",
    LIMIT,
    async () => {
      const port = await freePort();
      const command = fixtureCommand("node_http.js");
      await using _server = await startBare({ command, env: { PORT: String(port) }, port });
      await using load = new LoadProgram("--port", String(port), "--live", "--clients", "2");
      await waitUntil(() => /ok [1-9]/.test(load.stderr), { what: "a live line shows requests" });
      load.terminate();
      const { code, stdout, stderr } = await load.closed();
      const tally = JSON.parse(stdout);
      assert.deepEqual([code, tally.lost], [0, 0], stderr);
      assert.ok(tally.ok > 0 && Object.values(tally.byBody).length === 1, stdout);
    },
  );

  test("exits 1 when requests were lost", LIMIT, async () => {
    const port = String(await freePort());
    await using load = new LoadProgram("--port", port, "--max-requests", "3");
    const { code, stdout } = await load.closed();
    const tally = JSON.parse(stdout);
    assert.deepEqual([code, tally.ok, tally.refused, tally.lost], [1, 0, 3, 3]);
  });

  test("exits 64 on wrong usage", LIMIT, async () => {
    await using load = new LoadProgram("--port", "no");
    const { code, stdout, stderr } = await load.closed();
    assert.deepEqual([code, stdout], [64, ""]);
    assert.match(stderr, /port: "no" is not a number/);
  });
});
