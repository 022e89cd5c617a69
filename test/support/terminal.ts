/**
 * A program with a terminal of its own, and somebody who sits at it.
 *
 * `await using terminal = await atTerminal(["bash", "-i"])`: what it shows is in `screen`, `type()` presses keys.
 * It leads a new session; its whole process tree is killed by pid when it is disposed of.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { killTree } from "./proc.ts";
import { findPython, required } from "./programs.ts";
import { waitUntil } from "./wait_until.ts";

/** Why it cannot be had here, or false. */
export const noTerminal: string | false = findPython() === null &&
  "needs python3, for a terminal of its own";

/** Passes on what is typed and shown, until the program has ended; ends with its status, as a shell has it. */
const RELAY = `
import os, pty, select, sys
pid, master = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
print("pid", pid, file=sys.stderr, flush=True)
watched = [0, master]
ended = None
while ended is None or master in watched:
    readable, _, _ = select.select(watched, [], [], 0.05)
    if master in readable:
        try:
            data = os.read(master, 4096)
        except OSError:
            data = b""
        if data:
            os.write(1, data)
        else:
            watched.remove(master)
    elif ended is not None:
        break
    if 0 in readable:
        data = os.read(0, 4096)
        if data:
            os.write(master, data)
        else:
            watched.remove(0)
    if ended is None:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found != 0:
            ended = os.waitstatus_to_exitcode(status)
sys.exit(ended if ended >= 0 else 128 - ended)
`;

export class Terminal implements AsyncDisposable {
  /** All that was shown. */
  screen = "";
  hasEnded = false;
  readonly #ended: Promise<number | null>;
  #read = 0;
  #said = "";

  constructor(readonly child: ChildProcess) {
    child.stdout?.on("data", (bytes) => this.screen += String(bytes));
    child.stderr?.on("data", (bytes) => this.#said += String(bytes));
    this.#ended = new Promise((resolve) => {
      child.once("close", (code) => {
        this.hasEnded = true;
        resolve(code);
      });
    });
  }

  /** Process id of the program; 0: it does not run yet. */
  get pid(): number {
    return Number(/^pid (\d+)$/m.exec(this.#said)?.[1] ?? 0);
  }

  type(keys: string): void {
    this.child.stdin?.write(keys);
  }

  /** Waits for `text` on the screen, after what was waited for before. */
  async shows(text: string): Promise<void> {
    const at = () => this.screen.indexOf(text, this.#read);
    try {
      await waitUntil(() => at() >= 0 || this.hasEnded, {
        what: `it shows ${JSON.stringify(text)}`,
      });
      if (at() < 0) throw new Error(`The program has ended, and has not shown ${text}`);
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}\n${this.screen}`);
    }
    this.#read = at() + text.length;
  }

  /** Waits for its end. @returns its status as a shell has it */
  async ends(): Promise<number | null> {
    await waitUntil(() => this.hasEnded, { what: `it has ended:\n${this.screen}` });
    return await this.#ended;
  }

  /** The process group that has the keyboard. */
  get foreground(): number {
    const stat = readFileSync(`/proc/${this.pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[5]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.hasEnded) killTree(this.child.pid ?? 0);
    await this.#ended;
  }
}

export async function atTerminal(
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Terminal> {
  const child = spawn(required("python3", findPython()), ["-c", RELAY, ...words], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  const terminal = new Terminal(child);
  try {
    await waitUntil(() => terminal.pid !== 0, { what: "it has a terminal" });
    return terminal;
  } catch (error) {
    await terminal[Symbol.asyncDispose]();
    throw error;
  }
}
