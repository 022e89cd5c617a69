/** What commands of the user's were told, written to a file by the commands themselves. */
import { existsSync, readFileSync } from "node:fs";
import { alive } from "./proc.ts";
import type { TempDir } from "./temp_dir.ts";
import { waitUntil } from "./wait_until.ts";

const FIELDS = ["HOOK", "EPOCH", "PID", "OLD_EPOCH", "OLD_PID", "REASON"];

export class HookLog {
  readonly #file: string;

  constructor(readonly dir: TempDir, name = "hooks.log") {
    this.#file = dir.join(name);
  }

  /** A command that writes one line: its moment, both generations and the reason; "-" is not set. */
  get command(): string {
    const fields = FIELDS.map((field) => `\${BATON_${field}:--}`);
    return `echo "${fields.join(" ")}" >> ${this.#file}`;
  }

  get lines(): string[] {
    return existsSync(this.#file) ? readFileSync(this.#file, "utf8").trimEnd().split("\n") : [];
  }

  /** Waits for a line, and returns it. */
  line(pattern: RegExp): Promise<string> {
    return waitUntil(() => this.lines.find((line) => pattern.test(line)), {
      what: `a hook says ${pattern}, and not only ${this.lines.join("; ")}`,
    });
  }
}

/** A command that hangs, as its shell and as a child of that, until `file` is there. */
export class Blocker {
  readonly #pids: string;
  readonly #open: string;

  constructor(readonly dir: TempDir, name = "blocker") {
    this.#pids = dir.join(`${name}.pids`);
    this.#open = dir.join(`${name}.open`);
  }

  get command(): string {
    const wait = `while ! test -e ${this.#open}; do sleep 0.02; done`;
    return `(trap "" TERM INT HUP; ${wait}) & echo "$$ $!" > ${this.#pids}.new; ` +
      `mv ${this.#pids}.new ${this.#pids}; trap "" TERM INT HUP; wait`;
  }

  /** Its processes, once it runs. */
  running(): Promise<number[]> {
    return waitUntil(() => {
      if (!existsSync(this.#pids)) return null;
      return readFileSync(this.#pids, "utf8").trim().split(" ").map(Number);
    }, { what: "the command runs" });
  }

  release(): void {
    this.dir.write(this.#open.slice(this.dir.path.length + 1), "");
  }

  /** Waits until nothing of it is left. */
  async gone(): Promise<void> {
    const pids = await this.running();
    await waitUntil(() => pids.every((pid) => !alive(pid)), {
      what: `nothing is left of the command (${pids.join(", ")})`,
    });
  }
}
