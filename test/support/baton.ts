/**
 * baton under test: the compiled binary, or the bundle under Deno (BATON_UNDER_TEST=deno).
 *
 * `await using baton = await startBaton({...})`: ready when a generation serves; its whole process tree is
 * killed by pid when it is disposed of. Its output is kept, and is part of every error.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { request } from "node:http";
import { join } from "node:path";
import process from "node:process";
import type { Snapshot } from "../../src/report/snapshot.ts";
import type { ReloadReport } from "../../src/report/reload_report.ts";
import type { Exit } from "./bare_server.ts";
import { killTree } from "./proc.ts";
import { findDeno, REPOSITORY, required } from "./programs.ts";
import type { Runnable } from "./servers.ts";
import { type TempDir, tempDir } from "./temp_dir.ts";
import { waitUntil } from "./wait_until.ts";

export const UNDER_TEST = process.env["BATON_UNDER_TEST"] === "deno" ? "deno" : "bun";
/** A whole generation's start on a busy machine with two cores. */
const START_DEADLINE_MS = 30_000;
const MAX_KEPT_OUTPUT_LENGTH = 256 * 1024;

let binary = join(REPOSITORY, "dist", "baton");

/** From now on `path` is the baton that is started on Bun: a benchmark compares two builds. @returns the one before */
export function useBinary(path: string): string {
  const before = binary;
  binary = path;
  return before;
}

/** The words that start baton, without a shell. */
export function batonCommand(): string[] {
  if (UNDER_TEST === "bun") return [binary];
  const bundle = join(REPOSITORY, "dist", "baton.deno.js");
  return [required("deno", findDeno()), "run", "-A", "--no-config", bundle];
}

export interface BatonOptions extends Runnable {
  /** @default web */
  readonly name?: string;
  /** In place of `run`: another verb that runs a server, with its flags. */
  readonly verb?: readonly string[];
  /** Flags of `run`, before `--`. */
  readonly flags?: readonly string[];
  readonly cwd?: string;
  /** Run as this user and group instead of our own. */
  readonly uid?: number;
  /** Do not wait until a generation serves. */
  readonly expectFailure?: boolean;
  /** Runtime directory, when several batons share one; the test removes it. @default a new one */
  readonly dir?: TempDir | undefined;
  /** Listening sockets that it gets as a service manager passes them, from descriptor 3 on: our numbers. */
  readonly activated?: readonly number[];
  /** Put in front of baton, e.g. a program that restricts it. */
  readonly wrapper?: readonly string[];
}

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Baton implements AsyncDisposable {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  exit: Exit | null = null;
  /** Whether it has ended: its output may be another process's still, and its pid may belong to a stranger by now. */
  #isGone = false;
  stdout = "";
  stderr = "";

  constructor(
    child: ChildProcess,
    readonly dir: TempDir,
    readonly uid: number | undefined,
    readonly ownsDir = true,
    readonly name = "web",
  ) {
    this.pid = child.pid as number;
    child.once("exit", () => this.#isGone = true);
    this.exited = new Promise((resolve) => {
      child.once("close", (code, signal) => resolve(this.exit = { code, signal }));
    });
    child.stdout?.on("data", (bytes) => {
      this.stdout = (this.stdout + String(bytes)).slice(-MAX_KEPT_OUTPUT_LENGTH);
    });
    child.stderr?.on("data", (bytes) => {
      this.stderr = (this.stderr + String(bytes)).slice(-MAX_KEPT_OUTPUT_LENGTH);
    });
  }

  get socketPath(): string {
    return this.dir.join(`${this.name}.sock`);
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name);
  }

  status(): Promise<Snapshot> {
    return this.#call("GET", "/v1/status") as Promise<Snapshot>;
  }

  /** A reload by the control socket, without the start of a client. */
  reload(): Promise<ReloadReport> {
    return this.#call("POST", "/v1/reload") as Promise<ReloadReport>;
  }

  /** The verb as a user calls it. */
  cli(...words: string[]): Promise<CommandResult> {
    return runCommand([...batonCommand(), ...words, "--runtime-dir", this.dir.path], {
      uid: this.uid,
    });
  }

  /** Waits until only the serving generation is alive, and returns the snapshot. */
  settled(deadlineMs = START_DEADLINE_MS): Promise<Snapshot> {
    return waitUntil(async () => {
      const snapshot = await this.status();
      const alive = snapshot.generations.filter(({ state }) => state !== "exited");
      return alive.length === 1 && snapshot.epoch !== null ? snapshot : null;
    }, { what: `only one generation is alive\n${this.stderr}`, deadlineMs });
  }

  async stop(): Promise<Exit> {
    if (this.exit === null) this.signal("SIGTERM");
    return await this.exited;
  }

  async #call(method: string, path: string): Promise<unknown> {
    try {
      return await callSocket(this.socketPath, method, path);
    } catch (error) {
      const { code = null, signal = null } = this.exit ?? {};
      const state = this.#isGone ? `baton has ended: ${code ?? signal}` : "baton runs";
      throw new Error(`${method} ${path}: ${error}; ${state}\n${this.stderr}`, { cause: error });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isGone) killTree(this.pid);
    await this.exited;
    if (this.ownsDir) this.dir[Symbol.dispose]();
  }
}

/** One HTTP request over a Unix socket. */
export function callSocket(socketPath: string, method: string, path: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk) => text += chunk);
      response.on("end", () => {
        try {
          resolve(JSON.parse(text));
        } catch {
          reject(new Error(`Cannot parse the answer to ${method} ${path}: ${text}`));
        }
      });
      response.on("error", reject);
    });
    sent.on("error", reject);
    sent.end();
  });
}

/** Runs a program to its end. */
export function runCommand(
  words: readonly string[],
  options: {
    env?: Record<string, string>;
    cwd?: string | undefined;
    uid?: number | undefined;
  } = {},
): Promise<CommandResult> {
  const [program = "", ...argv] = words;
  const child = spawn(program, argv, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...options.env },
    cwd: options.cwd,
    ...options.uid === undefined ? {} : { uid: options.uid, gid: options.uid },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (bytes) => stdout += String(bytes));
  child.stderr.on("data", (bytes) => stderr += String(bytes));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** Starts `baton run --name NAME` in a runtime directory of its own. */
export async function startBaton(options: BatonOptions): Promise<Baton> {
  const { name = "web", dir = tempDir("baton") } = options;
  if (options.uid !== undefined) {
    const { chownSync } = await import("node:fs");
    chownSync(dir.path, options.uid, options.uid);
  }
  const activated = options.activated ?? [];
  const [program = "", ...argv] = [
    ...options.wrapper ?? [],
    // The process that is to take them must be named (sd_listen_fds(3)).
    ...activated.length === 0
      ? []
      : ["sh", "-c", `LISTEN_FDS=${activated.length} LISTEN_PID=$$ exec "$@"`, "sh"],
    ...batonCommand(),
    ...options.verb ?? ["run"],
    "--name",
    name,
    "--runtime-dir",
    dir.path,
    ...options.flags ?? [],
    "--",
    ...options.command,
  ];
  const child = spawn(program, argv, {
    stdio: ["ignore", "pipe", "pipe", ...activated],
    env: { ...process.env, ...options.env },
    cwd: options.cwd,
    ...options.uid === undefined ? {} : { uid: options.uid, gid: options.uid },
  });
  const baton = new Baton(child, dir, options.uid, options.dir === undefined, name);
  if (options.expectFailure) return baton;
  try {
    await waitUntil(async () => {
      if (baton.exit !== null) return "exited";
      return (await baton.status()).epoch !== null;
    }, { what: "a generation serves", deadlineMs: START_DEADLINE_MS });
    if (baton.exit !== null) {
      throw new Error(`baton exited with ${baton.exit.code ?? baton.exit.signal}`);
    }
    return baton;
  } catch (error) {
    await baton[Symbol.asyncDispose]();
    throw new Error(`${error instanceof Error ? error.message : error}\n${baton.stderr}`);
  }
}
