/**
 * A real systemd for tests: as PID 1 of a PID namespace, with its own units, /run and control groups, on the files
 * and the network of this machine. Needs root, and a systemd that is installed; it need not run. With
 * BATON_TEST_SYSTEMD_TREE it is that of another release: see systemd_tree.sh.
 *
 * `await using systemd = await RealSystemd.start()`: up in a few hundred milliseconds; everything in it ends when it
 * is disposed of, which fails when a process is left over. Process ids that it tells are those of its namespace.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type CommandResult, runCommand } from "./baton.ts";
import { REPOSITORY, which } from "./programs.ts";
import { type TempDir, tempDir } from "./temp_dir.ts";
import { waitUntil } from "./wait_until.ts";

const SYSTEMD = "/lib/systemd/systemd";
const SCRIPT = `${REPOSITORY}/test/support/real_systemd.sh`;
const START_DEADLINE_MS = 30_000;
const END_DEADLINE_MS = 30_000;
const TARGET = `[Unit]
Description=what a test runs
DefaultDependencies=no
Wants=systemd-journald.service
After=systemd-journald.service
`;

/** @returns why there can be no systemd here, or false */
export function noSystemd(): string | false {
  if (process.getuid?.() !== 0) return "needs root, for namespaces and a control group";
  if (!existsSync(SYSTEMD)) return "systemd is not installed";
  const missing = ["bash", "unshare", "nsenter", "systemctl"].find((name) => which(name) === null);
  if (missing !== undefined) return `${missing} is not installed`;
  const probe = spawnSync(SCRIPT, ["probe"], { encoding: "utf8" });
  return probe.status === 0 ? false : `no namespaces or no cgroup2: ${probe.stderr.trim()}`;
}

/** Puts a program on the files that a RealSystemd would have, without starting one. */
export function withSystemdFiles(words: readonly string[]): string[] {
  return process.env["BATON_TEST_SYSTEMD_TREE"] ? [SCRIPT, "with", ...words] : [...words];
}

/** @returns 252 for systemd 252; 0 when there is none */
export function systemdVersion(): number {
  const [program = "", ...argv] = withSystemdFiles(["systemctl", "--version"]);
  const { stdout } = spawnSync(program, argv, { encoding: "utf8" });
  return Number(/^systemd (\d+)/.exec(stdout ?? "")?.[1] ?? 0);
}

/** Whether at least `count` connections are in the queue of a listening socket there. */
export async function waitingAt(
  systemd: RealSystemd,
  port: number,
  count: number,
): Promise<boolean> {
  const { stdout } = await systemd.run(["cat", "/proc/net/tcp"]);
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return stdout.split("\n").map((line) => line.trim().split(/\s+/)).some((row) =>
    row[3] === "0A" && row[1]?.endsWith(local) &&
    Number.parseInt(row[4]?.split(":")[1] ?? "", 16) >= count
  );
}

export class RealSystemd implements AsyncDisposable {
  readonly #outer: ChildProcess;
  readonly #ended: Promise<void>;
  #output = "";

  private constructor(readonly dir: TempDir) {
    this.#outer = spawn(SCRIPT, ["run", dir.path], { stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#outer.stdout, this.#outer.stderr]) {
      stream?.on("data", (bytes) => this.#output += String(bytes));
    }
    this.#ended = new Promise((resolve) => this.#outer.once("close", () => resolve()));
  }

  static async start(): Promise<RealSystemd> {
    const dir = tempDir("systemd");
    mkdirSync(dir.join("units"));
    dir.write("units/baton-test.target", TARGET);
    const systemd = new RealSystemd(dir);
    try {
      await waitUntil(async () => {
        if (systemd.#outer.exitCode !== null) return "ended";
        const { stdout } = await systemd.ctl("is-system-running");
        return /^(running|degraded)/.test(stdout);
      }, { what: `systemd is up\n${systemd.#output}`, deadlineMs: START_DEADLINE_MS });
      if (systemd.#outer.exitCode !== null) throw new Error(`It ended at once: ${systemd.#output}`);
      return systemd;
    } catch (error) {
      await systemd[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The process id of its systemd, as this machine sees it; null while there is none. */
  get #init(): number | null {
    const { pid } = this.#outer;
    const path = `/proc/${pid}/task/${pid}/children`;
    if (pid === undefined || !existsSync(path)) return null;
    const first = readFileSync(path, "utf8").trim().split(" ")[0];
    return first ? Number(first) : null;
  }

  /** Runs a program beside its services. */
  run(words: readonly string[], env: Record<string, string> = {}): Promise<CommandResult> {
    const init = this.#init;
    if (init === null) return Promise.resolve({ code: null, stdout: "", stderr: "no systemd" });
    return runCommand(
      ["nsenter", "-t", String(init), "-m", "-p", "-C", "-u", "-i", "--", ...words],
      {
        env,
      },
    );
  }

  ctl(...words: string[]): Promise<CommandResult> {
    return this.run(["systemctl", ...words]);
  }

  /** Writes units, by file name ("web.service", "web.service.d/test.conf"), and makes them known. */
  async addUnits(units: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, text] of Object.entries(units)) {
      const path = this.dir.join("units", name);
      mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      writeFileSync(path, text);
    }
    const { code, stderr } = await this.ctl("daemon-reload");
    if (code !== 0) throw new Error(`systemctl daemon-reload: ${stderr}`);
  }

  /** Properties of a unit: `systemctl show`. */
  async show(unit: string, ...names: string[]): Promise<Record<string, string>> {
    const { stdout } = await this.ctl("show", unit, ...names.flatMap((name) => ["-p", name]));
    return Object.fromEntries(
      stdout.trim().split("\n").map((line) => {
        const at = line.indexOf("=");
        return [line.slice(0, at), line.slice(at + 1)];
      }),
    );
  }

  /** What a unit, and systemd about it, has written to the journal. */
  async journal(unit: string): Promise<string> {
    await this.run(["journalctl", "--sync"]);
    return (await this.run(["journalctl", "-q", "--no-pager", "-o", "cat", "-u", unit])).stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const init = this.#init;
    // The kernel ends everything in the namespace with its first process.
    if (init !== null) process.kill(init, "SIGKILL");
    else this.#outer.kill("SIGKILL");
    const late = setTimeout(() => this.#outer.kill("SIGKILL"), END_DEADLINE_MS);
    await this.#ended;
    clearTimeout(late);
    if (existsSync(this.dir.join("group"))) {
      const removed = await runCommand([SCRIPT, "remove", this.dir.path]);
      if (removed.code !== 0) {
        throw new Error(`systemd has left something behind: ${removed.stderr}`);
      }
    }
    this.#removePrivateFolders();
    this.dir[Symbol.dispose]();
  }

  /** PrivateTmp=yes makes folders that a systemd which is killed leaves behind. */
  #removePrivateFolders(): void {
    if (!existsSync(this.dir.join("boot"))) return;
    const boot = readFileSync(this.dir.join("boot"), "utf8").trim().replaceAll("-", "");
    for (const parent of ["/tmp", "/var/tmp"]) {
      for (const name of readdirSync(parent)) {
        if (!name.startsWith(`systemd-private-${boot}-`)) continue;
        rmSync(join(parent, name), { recursive: true, force: true });
      }
    }
  }
}
