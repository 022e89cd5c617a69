/**
 * The promise: what `make dist` makes can be installed and used as README.md says, and two builds of it are the same. It
 * takes minutes, and so is part of `make test-all` only.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, test } from "node:test";
import { accepts } from "../support/bare_server.ts";
import { UNDER_TEST } from "../support/baton.ts";
import { freePort } from "../support/free_port.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { NpmRegistry } from "../support/npm_registry.ts";
import { killTree } from "../support/proc.ts";
import { findDeno, fixture, REPOSITORY, required, which } from "../support/programs.ts";
import { IS_FULL } from "../support/repeats.ts";
import { type TempDir, tempDir } from "../support/temp_dir.ts";
import { waitUntil } from "../support/wait_until.ts";

const TEST = { timeout: TEST_TIMEOUT_MS };
const SKIP = UNDER_TEST === "deno"
  ? "it is the same program"
  : !IS_FULL && "it takes minutes: BATON_TEST_FULL=1";
const MACHINE = `linux-${process.arch}`;
const EXIT_USAGE = 64;
const WRITABLE = 0o755;

interface Result {
  readonly status: number | null;
  readonly output: string;
}

/** Its environment has no variable of npm's, and nothing that would find another baton. */
class Shell implements Disposable {
  readonly dir = tempDir("rel");
  readonly env: Record<string, string>;
  readonly #children: ChildProcess[] = [];

  constructor(extra: Readonly<Record<string, string>> = {}) {
    this.env = {
      PATH: process.env["PATH"] ?? "",
      HOME: this.dir.path,
      RUNTIME_DIRECTORY: this.dir.join("run"),
      npm_config_update_notifier: "false",
      ...extra,
    };
  }

  /** Without blocking: the registry is in this process. */
  run(...words: string[]): Promise<Result> {
    const [program = "", ...args] = words;
    const child = spawn(program, args, { cwd: this.dir.path, env: this.env });
    child.stdin.end();
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (bytes) => output += String(bytes));
    }
    return new Promise((resolve, reject) => {
      child.once("error", reject);
      child.once("close", (status) => resolve({ status, output }));
    });
  }

  async succeeds(...words: string[]): Promise<string> {
    const { status, output } = await this.run(...words);
    assert.equal(status, 0, `${words.join(" ")}: ${output}`);
    return output;
  }

  start(port: number, ...words: string[]): ChildProcess {
    const [program = "", ...args] = words;
    const env = { ...this.env, PORT: String(port) };
    const child = spawn(program, args, { cwd: this.dir.path, env, stdio: "ignore" });
    this.#children.push(child);
    return child;
  }

  [Symbol.dispose](): void {
    for (const { pid, exitCode, signalCode } of this.#children) {
      if (pid !== undefined && exitCode === null && signalCode === null) killTree(pid);
    }
    this.dir[Symbol.dispose]();
  }
}

/** Starts a server under this baton, is served, reloads it, is served by another process, and stops. */
async function useBaton(shell: Shell, ...baton: string[]): Promise<void> {
  const port = await freePort();
  const child = shell.start(
    port,
    ...baton,
    "run",
    "--name",
    "web",
    "--",
    "node",
    fixture("node_http.js"),
  );
  await waitUntil(() => accepts(port), { what: "the first generation serves" });
  const answer = () =>
    fetch(`http://127.0.0.1:${port}/`, { keepalive: false }).then((response) => response.text());
  const first = await answer();
  assert.match(await shell.succeeds(...baton, "reload", "web"), /^generation 1 serves after/m);
  const second = await answer();
  assert.match(second, /^pid=\d+ version=1$/m);
  assert.notEqual(first, second);
  const exited = new Promise((resolve) => child.once("exit", resolve));
  await shell.succeeds(...baton, "stop", "web");
  assert.equal(await exited, 0);
}

describe("make dist", { skip: SKIP }, () => {
  let made: TempDir;
  const folder = (name: string) => made.join(name);
  const file = (name: string | RegExp) => {
    const names = readdirSync(folder("one"));
    const found = names.find((each) => typeof name === "string" ? each === name : name.test(each));
    return join(folder("one"), required(`${name} among ${names.join(", ")}`, found ?? null));
  };

  before(() => {
    made = tempDir("made");
    for (const name of ["one", "two"]) {
      const words = ["scripts/dist/main.ts", "--only", MACHINE, "--out", folder(name)];
      const args = ["run", "-A", ...words];
      const deno = required("deno", findDeno());
      const env = { ...process.env, SOURCE_DATE_EPOCH: "1750000000" };
      const { status, stderr } = spawnSync(deno, args, { cwd: REPOSITORY, encoding: "utf8", env });
      assert.equal(status, 0, stderr);
    }
  }, TEST);

  after(() => made?.[Symbol.dispose]());

  test("makes the same bytes twice, with their sums", TEST, () => {
    const sums = (name: string) => readFileSync(join(folder(name), "SHA256SUMS"), "utf8");
    assert.equal(sums("one"), sums("two"));
    const { status, stdout } = spawnSync("sha256sum", ["-c", "SHA256SUMS"], { cwd: folder("one") });
    assert.equal(status, 0, String(stdout));
  });

  test("makes an archive that works where it is unpacked", TEST, async () => {
    using shell = new Shell();
    const archive = file(/-linux-\w+\.tar\.gz$/);
    await shell.succeeds("tar", "-xzf", archive, "-C", shell.dir.path, "--strip-components=1");
    await useBaton(shell, shell.dir.join("bin/baton"));
  });

  describe("makes npm packages", { skip: which("npm") === null && "no npm" }, () => {
    let registry: NpmRegistry;
    before(async () => {
      registry = await NpmRegistry.start([
        file(/^baton-restart-\d.*\.tgz$/),
        file(/^baton-restart-linux.*\.tgz$/),
      ]);
    }, TEST);
    after(() => registry?.[Symbol.asyncDispose]());
    const npmShell = () => new Shell({ npm_config_registry: registry.url });

    test("that npx runs, without Node in front of baton", TEST, async () => {
      using shell = npmShell();
      await useBaton(shell, "npx", "--yes", "baton-restart");
      const place = (await shell.succeeds("sh", "-c", "echo .npm/_npx/*/node_modules")).trim();
      const head = readFileSync(shell.dir.join(place, "baton-restart/bin/baton")).subarray(1, 4);
      assert.equal(String(head), "ELF");
    });

    test("that pass signals and statuses on where no script of theirs may run", TEST, async () => {
      using shell = npmShell();
      await shell.succeeds("npm", "install", "--ignore-scripts", "--no-audit", "baton-restart");
      const baton = shell.dir.join("node_modules/.bin/baton");
      await useBaton(shell, baton);
      assert.equal((await shell.run(baton, "run")).status, EXIT_USAGE);
      const port = await freePort();
      const child = shell.start(port, baton, "run", "--", "node", fixture("node_http.js"));
      await waitUntil(() => accepts(port), { what: "it serves" });
      const exited = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      assert.equal(await exited, 0);
    });

    test("that install from files, where no registry can be reached", TEST, async () => {
      using shell = new Shell({ npm_config_registry: "http://127.0.0.1:9/" });
      const files = [file(/^baton-restart-\d.*\.tgz$/), file(/^baton-restart-linux.*\.tgz$/)];
      const words = ["npm", "install", "--global", "--offline", "--prefix", shell.dir.join("g")];
      await shell.succeeds(...words, ...files);
      await useBaton(shell, shell.dir.join("g/bin/baton"));
    });

    test("that say what is missing without the program's package", TEST, async () => {
      using shell = npmShell();
      const words = ["npm", "install", "--omit=optional", "--no-audit", "baton-restart"];
      const { status, output } = await shell.run(...words);
      assert.notEqual(status, 0);
      assert.match(output, new RegExp(`Cannot find the package baton-restart-${MACHINE}: install`));
    });
  });

  describe("makes a Debian package", { skip: which("dpkg") === null && "no dpkg" }, () => {
    test("that dpkg installs, verifies and removes", {
      ...TEST,
      skip: process.getuid?.() !== 0 && "not root",
    }, async () => {
      using shell = new Shell();
      const root = shell.dir.join("root");
      mkdirSync(join(root, "var/lib/dpkg/info"), { recursive: true, mode: WRITABLE });
      writeFileSync(join(root, "var/lib/dpkg/status"), "");
      // Its dependency, and the tools of its scripts, are this machine's.
      const dpkg = ["dpkg", `--root=${root}`, "--force-depends", "--force-script-chrootless"];
      await shell.succeeds(...dpkg, "--install", file(/\.deb$/));
      assert.equal(await shell.succeeds("dpkg", `--root=${root}`, "--verify", "baton"), "");
      // Where the files of baton@NAME.service are to be.
      assert.equal(statSync(join(root, "etc/baton")).mode & 0o777, WRITABLE);
      await useBaton(shell, join(root, "usr/bin/baton"));
      await shell.succeeds(...dpkg, "--purge", "baton");
      assert.equal(
        await shell.succeeds("find", root, "-name", "*baton*", "-not", "-path", "*/dpkg/*"),
        "",
      );
    });

    test("that lintian has nothing to say about", {
      ...TEST,
      skip: which("lintian") === null && "no lintian",
    }, async () => {
      using shell = new Shell();
      const said = await shell.succeeds("lintian", "--fail-on", "warning", file(/\.deb$/));
      assert.doesNotMatch(said, /^[EW]: /m);
    });
  });
});
