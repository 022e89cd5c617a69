/**
 * One life of Envoy's hot-restarter.py, or of `baton hot-restarter`, with children that write down what they get
 * (fixtures/hot_restarter/child.pl): what was printed, what the children had and were sent, and what is left of them.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import process from "node:process";
import { alive } from "./proc.ts";
import { findPython, fixture, required } from "./programs.ts";
import { type TempDir, tempDir } from "./temp_dir.ts";
import { waitUntil } from "./wait_until.ts";

/** The original, played, or the real one: see the fixture. */
export function originalCommand(): string[] {
  const real = process.env["HOT_RESTARTER_ORIGINAL"];
  return [required("python3", findPython()), real ?? fixture("hot_restarter/original.py")];
}

export interface PlayOptions {
  /** What child.pl does, by epoch. */
  readonly plans?: readonly string[];
  /** In place of child.pl; empty: none. */
  readonly words?: readonly string[];
  /** Words of a shell in front, to change what is inherited. */
  readonly shell?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** @default pipe */
  readonly stdin?: "ignore" | "pipe";
}

/** What scripts and supervisors see of a life. */
export interface Outcome {
  readonly lines: readonly string[];
  readonly status: number | null;
  readonly signal: string | null;
  /** What each child had and was sent, in the order of the epochs. */
  readonly children: readonly string[];
  readonly left: number;
  readonly hasErrors: boolean;
}

/** A folder that the caller has is kept. */
export function startPlay(command: readonly string[], options: PlayOptions, dir: TempDir): Play {
  return new Play(dir, command, options);
}

const LINE = /^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\]\[(\d+)\](\[[A-Z]+\]\[core\] .*)$/;
const CHILD = fixture("hot_restarter/child.pl");

export class Play implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #exit: Promise<{ status: number | null; signal: string | null }>;

  constructor(readonly dir: TempDir, command: readonly string[], options: PlayOptions) {
    const plans = (options.plans ?? []).map((plan, epoch) => [`PLAN_${epoch}`, plan]);
    const env = {
      PATH: process.env["PATH"] ?? "",
      LANG: "C.UTF-8",
      ...options.env,
      FAKE_LOG: dir.join("log"),
      ...Object.fromEntries(plans),
    };
    const words = [...command, ...options.words ?? [CHILD]];
    const [program = "", ...args] = options.shell === undefined
      ? words
      : ["/bin/bash", "-c", `${options.shell}; exec "$@"`, "bash", ...words];
    const outputs = ["out", "err"].map((name) => openSync(dir.join(name), "a"));
    this.#process = spawn(program, args, {
      env,
      cwd: dir.path,
      stdio: [options.stdin ?? "pipe", outputs[0]!, outputs[1]!],
    });
    outputs.forEach((fd) => closeSync(fd));
    this.#exit = new Promise((resolve) =>
      this.#process.once("exit", (status, signal) => resolve({ status, signal }))
    );
  }

  /** @param name of a file in its folder; "out" and "err" are its output */
  read(name: string): string {
    try {
      return readFileSync(this.dir.join(name), "utf8");
    } catch {
      return "";
    }
  }

  #log(): string[][] {
    return this.read("log").split("\n").filter(Boolean).map((line) => line.split(" "));
  }

  /** Process ids of the children that have run, in the order of their start. */
  #pids(): number[] {
    const forked = this.read("out").matchAll(/forked new child process with PID=(\d+)/g);
    return [...forked].map(([, pid]) => Number(pid));
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name);
  }

  signalChild(index: number, name: NodeJS.Signals): void {
    process.kill(this.#pids()[index]!, name);
  }

  /** Waits until so many children have installed their handlers, and are known: a child may be quicker than the line. */
  async started(count: number): Promise<void> {
    const isThere = () =>
      this.#pids().length >= count &&
      this.#log().filter(([, what]) => what === "has").length >= count;
    await waitUntil(isThere, { what: `${count} children run` });
  }

  /** Waits until a text was printed so often. */
  async printed(text: string, times = 1): Promise<void> {
    const isThere = () => this.read("out").split(text).length > times;
    await waitUntil(isThere, { what: `"${text}" is printed` });
  }

  /** Waits until child `epoch` has noted a signal so often. */
  async noted(epoch: number, text: string, times = 1): Promise<void> {
    const isMeant = ([of, what]: string[]) => of === String(epoch) && what === text;
    const isThere = () => this.#log().filter(isMeant).length >= times;
    await waitUntil(isThere, { what: `child ${epoch} notes ${text}` });
  }

  /** After its end. */
  async outcome(): Promise<Outcome> {
    const { status, signal } = await this.#exit;
    const pids = this.#pids();
    const own = String(this.#process.pid);
    const left = () => pids.filter((pid) => alive(pid)).length;
    // What was killed may take a moment; what was not stays.
    if (status !== null) {
      await waitUntil(() => left() === 0, { what: "the children end", deadlineMs: 2_000 })
        .catch(() => {});
    }
    return {
      lines: this.read("out").split("\n").filter(Boolean).map((line) => {
        const [, pid, rest] = LINE.exec(line) ?? [];
        if (rest === undefined || pid !== own) return `odd: ${line}`;
        return pids.reduce((text, each, i) => text.replaceAll(`PID=${each}`, `PID=#${i}`), rest)
          .replaceAll(this.dir.path, "DIR");
      }),
      status,
      signal,
      children: this.#children(),
      left: left(),
      // Deno says so at each USR1.
      hasErrors: this.read("err").split("\n").some((line) => !/^$|Debugger|inspect/.test(line)),
    };
  }

  #children(): string[] {
    const lines = this.#log();
    const epochs = [...new Set(lines.map(([epoch]) => epoch))].sort();
    return epochs.map((epoch) =>
      lines.filter(([of, what]) => of === epoch && what !== "start").map((words) =>
        withoutInherited(words.slice(1).join(" ")).replaceAll(this.dir.path, "DIR")
      ).join("; ")
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill("SIGKILL");
    }
    for (const pid of this.#pids()) if (alive(pid)) process.kill(pid, "SIGKILL");
    return Promise.resolve();
  }
}

/** 32 and 33, which a C library keeps for itself. */
const INTERNAL_SIGNALS = 0x180000000n;
const IGNORED = /SigIgn=([0-9a-f]+)/;

/** Those that this process was started with (Deno starts its children so) are Python's children's too, and not baton's. */
function withoutInherited(line: string): string {
  const [, own = "0"] = /^SigIgn:\s*(\S+)/m.exec(readFileSync("/proc/self/status", "utf8")) ?? [];
  const inherited = BigInt(`0x${own}`) & INTERNAL_SIGNALS;
  return line.replace(IGNORED, (_, ignored: string) => {
    const rest = BigInt(`0x${ignored}`) & ~inherited;
    return `SigIgn=${rest.toString(16).padStart(16, "0")}`;
  });
}

/** @param live what is done to it, until it ends */
export async function playLife(
  command: readonly string[],
  options: PlayOptions,
  live: (play: Play) => Promise<void>,
): Promise<Outcome> {
  using dir = tempDir("hr");
  await using play = new Play(dir, command, options);
  await live(play);
  return await play.outcome();
}
