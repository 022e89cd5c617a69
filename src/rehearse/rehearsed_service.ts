/** `baton run` in the rehearsal, and the commands that are given to it there: the real ones. */
import { readFileSync, readlinkSync } from "node:fs";
import * as v from "valibot";
import { callControl, ControlError } from "../admin/client.ts";
import { servicePaths } from "../admin/paths.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import { HelperProcess } from "../platform/process/helper_process.ts";
import { hide } from "../platform/process/hidden_environment.ts";
import { mapUser, userNamespaceProgram } from "../platform/process/user_namespace.ts";
import type { ChildProcesses } from "./child_processes.ts";
import type { RehearsalPlan } from "./plan.ts";
import { BATON_PLACE } from "./view.ts";

const NAME = "rehearsal";
const ADDRESS = ["--name", NAME, "--runtime-dir", BATON_PLACE];
const CALL_MS = 5_000;
const OUTPUT_LINES = 20;
const OWN_PREFIX = /^\S+ baton\[rehearsal\] (?:warn|error): /;
const GOES_WELL = /^\S+ baton\[rehearsal\] (?:info|debug): /;
/** Of one service: each has a file of its own for its answer. */
const MOST_COMMANDS = 100;
/** They belong to the service manager of the machine. */
const NOT_PASSED = [
  "NOTIFY_SOCKET",
  "LISTEN_FDS",
  "LISTEN_PID",
  "LISTEN_FDNAMES",
  "WATCHDOG_USEC",
  "WATCHDOG_PID",
];
const RUNTIME_DIRECTORY = "RUNTIME_DIRECTORY";

const STATUS = v.looseObject({
  epoch: v.nullable(v.number()),
  order: v.optional(v.nullable(v.string()), null),
  orderReason: v.optional(v.nullable(v.string()), null),
  listeners: v.array(v.looseObject({ address: v.string() })),
  generations: v.array(v.looseObject({
    epoch: v.number(),
    state: v.string(),
    pid: v.nullable(v.number()),
  })),
});

export type ServiceStatus = v.InferOutput<typeof STATUS>;

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
    const { descriptors, processes, runtime } = this.platform;
    using nothing = descriptors.open("/dev/null", C.O_RDONLY);
    using file = descriptors.open(output, C.O_WRONLY | C.O_CREAT | C.O_APPEND, 0o600);
    const own = [nothing, file, file];
    const env = hide(runtime, this.#environment());
    const [self = "", ...prefix] = runtime.selfCommand;
    const { user } = this.plan;
    if (user === null) {
      return processes.spawn({
        path: self,
        argv: ["baton", ...prefix, ...words],
        env,
        descriptors: own,
      });
    }
    const { fd, path } = userNamespaceProgram(this.platform);
    using _ = fd;
    const argv = ["baton", programPath(self), "baton", ...prefix, ...words];
    const helper = new HelperProcess(this.platform, {
      program: { path, argv, env, directory: null },
      descriptors: own,
    });
    mapUser(helper, { inside: user, outside: { uid: 0, gid: 0 } });
    helper.disconnect();
    return helper.pid;
  }

  #environment(): Record<string, string> {
    const isPassed = ([name]: [string, string]) =>
      !NOT_PASSED.includes(name) && name !== RUNTIME_DIRECTORY;
    return Object.fromEntries(Object.entries(this.plan.env).filter(isPassed));
  }

  /** @returns null while nothing answers */
  status(): ServiceStatus | null {
    const reply = v.safeParse(STATUS, this.call("GET", "/v1/status", CALL_MS));
    return reply.success ? reply.output : null;
  }

  /** Blocks. @returns the reply of the control socket; null: there is none */
  call(method: "GET" | "POST", path: string, timeoutMs: number): unknown {
    const { socket } = servicePaths(BATON_PLACE, NAME);
    try {
      return jsonIn(callControl(this.platform, socket, { method, path, timeoutMs }).body);
    } catch (error) {
      if (error instanceof ControlError) return null;
      throw error;
    }
  }

  /** A command of baton's, with its output as JSON, if it is that. @returns status null: it took too long */
  async command(words: readonly string[], limitMs: number) {
    const output = `${BATON_PLACE}/answer.${++this.#answers}`;
    const pid = this.#start([...words, ...ADDRESS], output);
    const status = await this.children.ended(pid, limitMs);
    const text = readFileSync(output, "utf8");
    return { status, text, json: jsonIn(text) };
  }

  /** Whether it has ended, with which status. */
  get exit(): number | null {
    return this.children.statusOf(this.pid);
  }

  /** The last lines, without those with which baton says what goes well. */
  lastOutput(): string[] {
    const lines = readFileSync(this.#output, "utf8").trimEnd().split("\n");
    return lines.filter((line) => !GOES_WELL.test(line)).slice(-OUTPUT_LINES)
      .map((line) => line.replace(OWN_PREFIX, ""));
  }
}

/** In the child that executes it, /proc/self/exe would be another program. */
export function programPath(self: string): string {
  return self === "/proc/self/exe" ? readlinkSync(self) : self;
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
