/** What a launcher in mid-start shows about this machine; it never becomes a server, and nothing of it is left. */
import { LAUNCH_VERB, type LaunchPlan, type LaunchReport, REPORT_LIMIT } from "../launcher/plan.ts";
import { errorText, SystemCallError } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { helperEnvironment } from "../platform/process/hidden_environment.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";

/** A launcher on two busy cores, started by the slower runtime, needs less than a second. */
const REHEARSAL_TIMEOUT_MS = 10_000;

export function describe(error: unknown): string {
  if (error instanceof SystemCallError) return `${error.call}: ${error.code}`;
  return errorText(error);
}

/** The start of a server, up to the moment before its first instruction, and no further. */
export class AdoptProbe implements Disposable {
  /** The launcher, null when it could not be started. It may have ended already. */
  pid: number | null = null;
  /** The listener of its filter, null when it has none. */
  notify: Fd | null = null;
  /** What it, or its start, failed with. */
  failure: string | null = null;
  /** It came as far as asking for the filter: whatever failed then is the filter alone. */
  launched = false;
  #control: Fd | null = null;

  constructor(readonly platform: Platform) {
    try {
      this.#start();
      this.#listen(this.#control!);
    } catch (error) {
      this.failure = describe(error);
    }
  }

  #start(): void {
    const { runtime, sockets, descriptors, processes, libc } = this.platform;
    const plan: LaunchPlan = {
      argv: ["/proc/self/exe"], // Resolved, never executed.
      env: {},
      cwd: null,
      members: 0,
      setListenPid: false,
      trap: [libc.arch.SYS_bind, libc.arch.SYS_listen],
      waits: false,
      parentDeathSignal: 0,
      parentPid: runtime.pid,
      fileLimit: null,
    };
    const [ours, theirs] = sockets.pair();
    this.#control = ours;
    using _passed = theirs;
    const planText = new TextEncoder().encode(JSON.stringify(plan));
    using planFile = descriptors.sealedMemfd("baton-plan", planText);
    using silence = descriptors.open("/dev/null", C.O_RDWR);
    const [program = "", ...prefix] = runtime.selfCommand;
    this.pid = processes.spawn({
      path: program,
      argv: ["baton", ...prefix, LAUNCH_VERB, "3"],
      env: helperEnvironment(runtime),
      descriptors: [silence, silence, silence, theirs, planFile],
    });
  }

  #listen(control: Fd): void {
    const { sockets, descriptors } = this.platform;
    sockets.setTimeouts(control, REHEARSAL_TIMEOUT_MS);
    const message = descriptors.receive(control, REPORT_LIMIT);
    if (message === null) throw new Error(`no report within ${REHEARSAL_TIMEOUT_MS} ms`);
    if (message.data.length === 0) throw new Error("it ended without a report");
    const report = JSON.parse(new TextDecoder().decode(message.data)) as LaunchReport;
    this.notify = message.fds[0] ?? null;
    if (report.kind === "failed") {
      // The launcher's own sentence, which ends with the advice to run doctor.
      const [, why] = /^Cannot watch [^:]*: (.*): run "baton doctor"/.exec(report.message) ?? [];
      this.failure = why ?? report.message;
    }
    this.launched = report.kind !== "failed" || this.failure !== report.message;
  }

  /** The launcher waits for the go-ahead that never comes. */
  [Symbol.dispose](): void {
    this.notify?.close();
    this.#control?.close();
    const { pid, platform: { libc, processes } } = this;
    if (pid === null) return;
    processes.signal(pid, C.SIGKILL);
    libc.retry(() => libc.c.waitpid(pid, null, 0));
  }
}
