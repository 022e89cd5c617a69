/** Tries a server's start, to find out what baton may do with a process that it has started. */
import type { LaunchPlan } from "../launcher/plan.ts";
import { spawnLauncher } from "../launcher/start.ts";
import { errorText, SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import type { HelperProcess } from "../platform/process/helper_process.ts";

/** A start takes less than a second on two busy cores; more than ten seconds were seen on an emulated processor. */
const PROBE_TIMEOUT_MS = 30_000;

/** The start of a server, up to the moment before its first instruction, and no further. */
export class AdoptProbe implements Disposable {
  /** The listener of its filter, null when it has none. */
  notify: Fd | null = null;
  /** Why it, or its start, failed. */
  failure: string | null = null;
  /** Whether the launcher got as far as asking for the filter: if it failed then, the filter is the reason. */
  launched = false;
  #launcher: HelperProcess | null = null;

  constructor(readonly platform: Platform) {
    try {
      this.#start();
    } catch (error) {
      this.failure = failureText(error);
    }
  }

  /** Id of the launcher; null when it could not be started. It may have ended already. */
  get pid(): number | null {
    return this.#launcher?.pid ?? null;
  }

  #start(): void {
    const { runtime, descriptors, libc } = this.platform;
    const plan: LaunchPlan = {
      argv: ["/proc/self/exe"], // Resolved, never executed.
      program: null,
      env: {},
      cwd: null,
      members: 0,
      trap: [libc.arch.SYS_bind, libc.arch.SYS_listen],
      spared: [],
      waits: false,
      parentDeathSignal: 0,
      limits: [],
      nice: null,
      umask: null,
      account: null,
      parentPid: runtime.pid,
      fileLimit: null,
    };
    using silence = descriptors.open("/dev/null", C.O_RDWR);
    const stdio = [silence, silence, silence] as const;
    const { launcher, failureIn } = spawnLauncher(this.platform, { plan, stdio, members: [] });
    this.#launcher = launcher;
    const { data, fds: [notify = null] } = launcher.awaitMessage(PROBE_TIMEOUT_MS);
    this.notify = notify;
    const failure = failureIn(data);
    if (failure !== null) {
      // The launcher's own sentence, which ends with the advice to run doctor.
      const [, why] = /^Cannot watch [^:]*: (.*): run "baton doctor"/.exec(failure.message) ?? [];
      this.failure = why ?? failure.message;
    }
    this.launched = failure === null || this.failure !== failure.message;
  }

  /** The launcher waits for a go-ahead that never comes. */
  [Symbol.dispose](): void {
    this.notify?.close();
    this.#launcher?.[Symbol.dispose]();
  }
}

export function failureText(error: unknown): string {
  return error instanceof SystemCallError ? `${error.call}: ${error.code}` : errorText(error);
}
