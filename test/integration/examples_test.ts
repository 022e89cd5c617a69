/** The promise: the commands of README.md and of each example's work as they are written there. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, cpSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { describe, test } from "node:test";
import { accepts } from "../support/bare_server.ts";
import { batonCommand } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { manifestFaults } from "../support/kube_manifest.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { killTree } from "../support/proc.ts";
import { findNode, REPOSITORY, which } from "../support/programs.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

/** In the READMEs; each test has a port of its own in its place. */
const PORT_IN_README = "8080";

/** A shell in a copy of the example's folder, with `baton` in PATH. */
class Shell implements AsyncDisposable {
  readonly #dir: TempDir = tempDir("ex");
  readonly work = this.#dir.join("work");
  readonly #children: ChildProcess[] = [];
  readonly #env: Record<string, string | undefined>;

  constructor(example: string, readonly port: number) {
    cpSync(join(REPOSITORY, "examples", example), this.work, { recursive: true });
    const words = batonCommand().map((word) => `'${word}'`).join(" ");
    chmodSync(this.#dir.write("baton", `#!/bin/sh\nexec ${words} "$@"\n`), 0o755);
    this.#env = {
      ...process.env,
      PATH: [this.#dir.path, process.env["PATH"]].join(delimiter),
      RUNTIME_DIRECTORY: this.#dir.path,
    };
  }

  /** Runs a code block; each of its lines must succeed. @returns its output */
  async run(block: string): Promise<string> {
    const { child, text } = this.#start(block);
    const code = await new Promise((resolve) => child.once("close", resolve));
    assert.equal(code, 0, text());
    return text();
  }

  /** Starts a code block whose last command goes on. @returns its output so far */
  async serve(block: string): Promise<() => string> {
    const { child, text } = this.#start(block);
    await waitUntil(async () => {
      assert.equal(child.exitCode, null, text());
      return await accepts(this.port);
    }, { what: `the server listens\n${text()}` });
    return text;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The pid of one that has ended may be a stranger's.
    const running = () =>
      this.#children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
    for (const { pid } of running()) if (pid !== undefined) killTree(pid);
    await waitUntil(() => running().length === 0, { what: "all has ended" });
    this.#dir[Symbol.dispose]();
  }

  #start(block: string): { child: ChildProcess; text: () => string } {
    const script = block.replaceAll(PORT_IN_README, String(this.port));
    const child = spawn("sh", ["-e", "-x", "-c", script], {
      cwd: this.work,
      env: this.#env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#children.push(child);
    let text = "";
    child.stdout.on("data", (bytes) => text += String(bytes));
    child.stderr.on("data", (bytes) => text += String(bytes));
    return { child, text: () => text };
  }
}

/** The shell blocks of the README.md in a folder, in order. */
function blocks(folder: string): string[] {
  const text = readFileSync(join(REPOSITORY, folder, "README.md"), "utf8");
  return [...text.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, block = ""]) => block);
}

describe("README.md: the first reload, with each way to install", () => {
  for (const block of blocks(".").slice(0, 2)) {
    const [, run = "", reload = "", ...more] = block.trimEnd().split("\n");
    const server = / -- (\w+) /.exec(run)?.[1] ?? "";
    const missing = [server, "curl"].find((program) => which(program) === null);
    const skip = missing !== undefined && `${missing} is not installed`;
    test(`with ${server}`, { skip, timeout: TEST_TIMEOUT_MS }, async () => {
      assert.deepEqual(more, [], "three commands");
      await using shell = new Shell("node-http", await freePort());
      const log = await shell.serve(run);
      const get = `curl --silent --show-error --fail http://localhost:${PORT_IN_README}/`;
      const before = await shell.run(get);
      assert.match(await shell.run(reload), /^generation 1 serves after \d+ ms$/m);
      const after = await shell.run(get);
      // Python's answers with a list of files.
      if (server === "node") assert.notEqual(before, after);
      await shell.run("baton stop");
      assert.ok(!await accepts(shell.port), log());
    });
  }
});

describe("examples/node-http does what its README says", () => {
  const skip = findNode() === null
    ? "node is not installed"
    : which("curl") === null
    ? "curl is not installed"
    : false;
  const [start = "", use = "", release = "", deploy = "", ...more] = blocks("examples/node-http");

  test("all of its commands are tested", () => assert.equal(more.length, 0));

  test(
    "run, reload, status and stop as in the README",
    { skip, timeout: TEST_TIMEOUT_MS },
    async () => {
      await using shell = new Shell("node-http", await freePort());
      const log = await shell.serve(start);
      const output = await shell.run(use);
      const [before, after, ...none] = [...output.matchAll(/^pid=(\d+) version=work$/gm)]
        .map(([, pid]) => pid);
      assert.ok(before !== after && after !== undefined && none.length === 0, output);
      assert.match(output, /^generation 1 serves after \d+ ms$/m);
      assert.match(output, /^hello: generation 1 serves /m);
      assert.ok(!await accepts(shell.port), log());
    },
  );

  test(
    "a deploy by release folders as in the README",
    { skip, timeout: TEST_TIMEOUT_MS },
    async () => {
      await using shell = new Shell("node-http", await freePort());
      const log = await shell.serve(release);
      const output = await shell.run(deploy);
      assert.match(output, /^pid=\d+ version=2$/m);
      assert.ok(!await accepts(shell.port), log());
    },
  );
});

describe("examples/kubernetes is what its README says", () => {
  const [print = "", patient = "", ...more] = blocks("examples/kubernetes");

  test("all of its commands are tested", () => assert.equal(more.length, 0));

  test("its files are what baton prints", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using shell = new Shell("kubernetes", await freePort());
    const folder = join(REPOSITORY, "examples", "kubernetes");
    const files = readdirSync(folder).filter((name) => name !== "README.md").sort();
    const written = [...print.matchAll(/ > (\S+)$/gm)].map(([, name]) => name);
    assert.deepEqual(files, written.sort(), "each file has its command");
    for (const file of files) rmSync(join(shell.work, file));
    await shell.run(print);
    for (const file of files) {
      const [made, kept] = [shell.work, folder].map((dir) => readFileSync(join(dir, file), "utf8"));
      assert.equal(made, kept, `${file} is out of date: run the commands of its README`);
    }
    // The shell says what it does: sh -x.
    const output = (await shell.run(patient)).replace(/^\+ .*\n/gm, "");
    assert.deepEqual(manifestFaults(output), []);
  });
});
