/**
 * Runs a server bare, without baton: the yardstick for what it does by itself.
 *
 * `await using server = await startBare(...)`: ready when its port accepts; its process tree is killed by pid when it
 * is disposed of. Its output is read all the time, and the last of it is part of every error.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createConnection } from "node:net";
import process from "node:process";
import { killTree } from "./proc.ts";
import type { Runnable } from "./servers.ts";
import { waitUntil } from "./wait_until.ts";

const START_DEADLINE_MS = 30_000;
const MAX_KEPT_OUTPUT_LENGTH = 8_192;

export interface BareOptions extends Runnable {
  readonly port: number;
  /** @default "127.0.0.1" */
  readonly host?: string;
}

export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

export class BareServer implements AsyncDisposable {
  readonly pid: number;
  /** Resolves when the process has exited. */
  readonly exited: Promise<Exit>;
  exit: Exit | null = null;
  /** The last of stdout and stderr together. */
  output = "";

  constructor(child: ChildProcess) {
    this.pid = child.pid as number;
    this.exited = new Promise((resolve) => {
      child.once("exit", (code, signal) => resolve(this.exit = { code, signal }));
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (bytes) => {
        this.output = (this.output + String(bytes)).slice(-MAX_KEPT_OUTPUT_LENGTH);
      });
    }
  }

  signal(name: NodeJS.Signals): void {
    process.kill(this.pid, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.exit === null) killTree(this.pid);
    await this.exited;
  }
}

/** @throws {Error} when it cannot be started, or exits or is silent instead of listening. */
export async function startBare(options: BareOptions): Promise<BareServer> {
  const [program = "", ...argv] = options.command;
  const child = spawn(program, argv, {
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", () => resolve());
    child.once("error", reject);
  });
  const server = new BareServer(child);
  try {
    await waitUntil(async () => {
      if (server.exit !== null) return true;
      return await accepts(options.port, options.host ?? "127.0.0.1");
    }, { what: `${program} listens on port ${options.port}`, deadlineMs: START_DEADLINE_MS });
    if (server.exit === null) return server;
    throw new Error(`${program} exited: ${JSON.stringify(server.exit)}`);
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw new Error(`Cannot start ${program}, which said:\n${server.output}`, { cause: error });
  }
}

/** Whether something accepts connections there. */
export function accepts(port: number, host = "127.0.0.1"): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
