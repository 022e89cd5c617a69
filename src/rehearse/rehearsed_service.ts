/** `baton run` in the rehearsal, and the commands that are given to it there: the real ones. */
import { readFileSync } from "node:fs";
import * as v from "valibot";
import { callControl, ControlError } from "../admin/client.ts";
import { servicePaths } from "../admin/paths.ts";
import { STATUS_REPLY, type StatusReply } from "../admin/replies.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import { hide } from "../platform/process/hidden_environment.ts";
import { startAsUser } from "../platform/process/user_namespace.ts";
import type { ChildProcesses } from "./child_processes.ts";
import type { RehearsalPlan } from "./plan.ts";
import { BATON_PLACE } from "./view.ts";

const NAME = "rehearsal";
const ADDRESS = ["--name", NAME, "--runtime-dir", BATON_PLACE];
const CALL_MS = 5_000;
const LOOK_MS = 50;
const OUTPUT_LINES = 20;
const OWN_PREFIX = /^\S+ baton\[rehearsal\] (?:info|warn|error): /;
const GOES_WELL = /^\S+ baton\[rehearsal\] (?:info|debug): (?!generation \d+: )/;
/** Commands for one service: each has a file of its own for its answer. */
const MOST_COMMANDS = 100;
/** Variables that are not passed on: they belong to the service manager of the machine. */
const NOT_PASSED = [
  "NOTIFY_SOCKET",
  "LISTEN_FDS",
  "LISTEN_PID",
  "LISTEN_FDNAMES",
  "WATCHDOG_USEC",
  "WATCHDOG_PID",
  "RUNTIME_DIRECTORY",
];

export class RehearsedService {
  readonly pid: number;
  readonly #output: string;
  #answers: number;

  constructor(
    readonly platform: Platform,
    readonly plan: RehearsalPlan,
    readonly children: ChildProcesses,
    words: { readonly options: readonly string[]; readonly command: readonly string[] },
    readonly number: number,
  ) {
    this.#answers = number * MOST_COMMANDS;
    this.#output = `${BATON_PLACE}/output.${number}`;
    this.pid = this.#start(
      ["run", ...ADDRESS, ...words.options, "--", ...words.command],
      this.#output,
    );
  }

  #start(words: readonly string[], output: string): number {
    const { processes, runtime } = this.platform;
    using nothing = this.platform.descriptors.open("/dev/null", C.O_RDONLY);
    using file = this.platform.descriptors.open(output, C.O_WRONLY | C.O_CREAT | C.O_APPEND, 0o600);
    const descriptors = [nothing, file, file];
    const isPassed = ([name]: [string, string]) => !NOT_PASSED.includes(name);
    const env = hide(runtime, Object.fromEntries(Object.entries(this.plan.env).filter(isPassed)));
    const [path = "", ...prefix] = runtime.selfCommand;
    const argv = ["baton", ...prefix, ...words];
    const { user } = this.plan;
    if (user === null) return processes.spawn({ path, argv, env, descriptors });
    const helper = startAsUser(this.platform, { inside: user, outside: { uid: 0, gid: 0 } }, {
      program: { path, argv, env, directory: null },
      descriptors,
    });
    helper.disconnect();
    return helper.pid;
  }

  /** @returns null while nothing answers */
  status(): StatusReply | null {
    const reply = v.safeParse(STATUS_REPLY, this.call("GET", "/v1/status", CALL_MS));
    return reply.success ? reply.output : null;
  }

  /**
   * Calls the control socket. Blocks.
   * @returns the reply; null: there is none
   */
  call(method: "GET" | "POST", path: string, timeoutMs: number): unknown {
    const { socket } = servicePaths(BATON_PLACE, NAME);
    try {
      return jsonIn(callControl(this.platform, socket, { method, path, timeoutMs }).body);
    } catch (error) {
      if (error instanceof ControlError) return null;
      throw error;
    }
  }

  /**
   * Runs a command of baton's, with its output as JSON, if it is that.
   * @returns status null: it took too long
   */
  async command(words: readonly string[], limitMs: number) {
    const output = `${BATON_PLACE}/answer.${++this.#answers}`;
    const pid = this.#start([...words, ...ADDRESS], output);
    const status = await this.children.ended(pid, limitMs);
    const text = readFileSync(output, "utf8");
    return { status, text, json: jsonIn(text) };
  }

  /** Exit status of baton; null: it runs. */
  get exit(): number | null {
    return this.children.statusOf(this.pid);
  }

  /** Waits until only the serving generation is left. */
  async settled(): Promise<void> {
    const isAlone = () => {
      const status = this.status();
      return status === null ||
        status.generations.every(({ epoch, state }) =>
          epoch === status.epoch || state === "exited"
        );
    };
    await this.children.until(isAlone, this.plan.stopMs, LOOK_MS);
  }

  /** @returns the reply of its end; null: it has not answered */
  async stop(): Promise<unknown> {
    const { stopMs } = this.plan;
    const reply = this.call("POST", "/v1/stop?wait=1", stopMs);
    await this.children.ended(this.pid, stopMs);
    return reply;
  }

  /** The last lines of the output, without those with which baton says what goes well. */
  lastOutput(): string[] {
    const lines = readFileSync(this.#output, "utf8").trimEnd().split("\n");
    return lines.filter((line) => !GOES_WELL.test(line)).slice(-OUTPUT_LINES)
      .map((line) => line.replace(OWN_PREFIX, ""));
  }
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
