/** Servers that print, and how the tests start and ask them. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { type Baton, type BatonOptions, startBaton } from "./baton.ts";
import { formatTally, Load } from "./load.ts";
import { findNode, required } from "./programs.ts";
import { deploy, fixtureCommand, type Runnable } from "./servers.ts";
import { type TempDir } from "./temp_dir.ts";
import { waitUntil } from "./wait_until.ts";

/** Prints LINES lines, "line N" and FILL, to stdout and stderr in turn; then listens, or exits with CODE. */
export const TALKER = `
const http = require("node:http");
const { LINES = "0", FILL = "", LAST = "", CODE, PORT } = process.env;
for (let i = 1; i <= Number(LINES); i++) {
  process[i % 2 ? "stdout" : "stderr"].write("line " + i + FILL + "\\n");
}
process.stderr.write(LAST);
if (CODE) process.exit(Number(CODE));
http.createServer((request, response) => {
  console.log("asked for " + request.url);
  console.error("warned of " + request.url);
  response.end("pid=" + process.pid + "\\n");
}).listen(Number(PORT), "127.0.0.1", () => console.log("listens"));
`;

export function talker(port: number, env: Record<string, string> = {}): Runnable {
  return {
    command: [required("node", findNode()), "-e", TALKER],
    env: { PORT: String(port), ...env },
  };
}

/** A service whose next start is what was deployed last. */
export async function start(work: TempDir, first: Runnable, options: Partial<BatonOptions> = {}) {
  const targetFile = work.join("target");
  deploy(targetFile, first);
  const baton = await startBaton({
    ...options,
    command: fixtureCommand("switch.sh"),
    env: { ...options.env, TARGET_FILE: targetFile },
  });
  return { baton, deploy: (next: Runnable) => deploy(targetFile, next) };
}

export async function ask(port: number, path = "/"): Promise<void> {
  const tally = await new Load({ port, path, clients: 1, maxRequests: 1 }).start().finished();
  assert.equal(tally.ok, 1, formatTally(tally));
}

export async function printed(
  baton: Baton,
  stream: "stdout" | "stderr",
  text: string,
): Promise<void> {
  await waitUntil(() => baton[stream].includes(text), {
    what: `"${text}" comes to ${stream}`,
  });
}

/** A named pipe as baton's stdout and stderr, read only when the test says so. */
export class Pipe implements Disposable {
  text = "";
  readonly #path: string;
  #fd: number | null;

  constructor(work: TempDir) {
    this.#path = work.join("pipe");
    execFileSync("mkfifo", [this.#path]);
    // With both ends open neither an open nor a write ever waits for the other side.
    this.#fd = openSync(this.#path, constants.O_RDWR | constants.O_NONBLOCK);
  }

  /** Put in front of baton. */
  get wrapper(): string[] {
    return ["sh", "-c", `exec "$@" > '${this.#path}' 2>&1`, "sh"];
  }

  /** Until it takes no more. */
  fill(): void {
    for (let size = 64 * 1024; size >= 1;) {
      try {
        writeSync(this.#fd ?? -1, "-".repeat(size));
      } catch (error) {
        if ((error as { code?: string }).code !== "EAGAIN") throw error;
        size = Math.floor(size / 2);
      }
    }
  }

  /** What is there; `text` collects it. */
  read(): string {
    const bytes = new Uint8Array(64 * 1024);
    let text = "";
    for (;;) {
      try {
        const count = readSync(this.#fd ?? -1, bytes);
        if (count === 0) break;
        text += new TextDecoder().decode(bytes.subarray(0, count));
      } catch (error) {
        if ((error as { code?: string }).code !== "EAGAIN") throw error;
        break;
      }
    }
    this.text += text;
    return text;
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
