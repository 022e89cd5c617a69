/**
 * One generation as processes and descriptors: launch, filter, output, signals, end.
 *
 * It reports facts and takes orders; what follows from a fact is decided in `lifecycle/`. Its end is
 * reported once, when the leading process has ended and, if it was told to stop, everything that it
 * started has too.
 */
import { Launch } from "../launcher/start.ts";
import type { LaunchPlan } from "../launcher/plan.ts";
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import type { ExitStatus } from "../platform/process/processes.ts";
import { processStat } from "../platform/process/proc.ts";
import type { TrappedCall } from "../platform/process/seccomp.ts";
import type { Children, Leader } from "./children.ts";
import { CandidateOutput } from "../output/candidate_output.ts";
import { TrappedCalls, type TrappedCallsOptions } from "./trapped_calls.ts";
import { C } from "../platform/libc/constants.ts";

/** A process that is started here. */
interface ServerStart {
  readonly plan: LaunchPlan;
  readonly stdin: Fd | number;
  /** Those of 1 and 2 that are pipes, and remembered; the others are baton's own descriptors at once. */
  readonly captured: readonly number[];
  readonly members: readonly Fd[];
  /** What it writes to when it is ready (`--ready fd:N`); taken over. */
  readonly ready: { readonly end: Fd; readonly target: number } | null;
}

/** A process that another baton has started. */
export interface ServerResumption {
  readonly pid: number;
  readonly startTime: number;
  /** It is no child of ours: a baton that had started it was killed. */
  readonly isForeign: boolean;
  /** How it has ended, if it has; others of its tree may live. */
  readonly exitStatus: ExitStatus | null;
  /** Notify descriptor of its filter. */
  readonly filter: Fd | null;
  /** Our ends of its output: `target` is 1 or 2. */
  readonly outputs: readonly ResumedOutput[];
}

export interface ResumedOutput {
  readonly target: number;
  readonly read: Fd;
  /** What the other baton has read from it and not passed on. */
  readonly inHand: Uint8Array;
}

interface ServerProcessOptions {
  readonly epoch: number;
  /** A trapped call waits for its answer. */
  readonly onNotification: (notify: Fd, notification: TrappedCall) => void;
  readonly calls: Pick<TrappedCallsOptions, "lettingPass" | "isAwaited">;
  /** Its process is there, and waits before its first instruction. */
  readonly onPrepared: () => void;
  readonly onLaunchFailed: (status: number, message: string) => void;
  /** The leading process has ended; `lingering` others of its tree have not. */
  readonly onExit: (status: ExitStatus, lingering: number) => void;
  /** Whether a process, by what it has open, belongs to this generation. */
  readonly holdsMember: (pid: number) => boolean;
  /** The last of the lingering ones is gone. */
  readonly onGone: () => void;
}

export class ServerProcess implements Leader {
  readonly epoch: number;
  readonly output: CandidateOutput;
  /** It is no child of ours: its end is told by the kernel, and how it ended is not. */
  isForeign = false;
  /** The end of the leading process, once known. */
  exitStatus: ExitStatus | null = null;
  /** KILL was sent to all of it. */
  wasKilled = false;
  /** Start times of processes that were seen to be its own. */
  readonly known = new Map<number, number>();
  #calls: TrappedCalls | null = null;
  #lingering = false;
  #launch: Launch | null = null;
  #pid = 0;
  #startTime = 0;

  constructor(
    readonly platform: Platform,
    readonly children: Children,
    readonly options: ServerProcessOptions,
  ) {
    this.epoch = options.epoch;
    this.output = new CandidateOutput(platform);
  }

  /** Of the leading process. */
  get pid(): number {
    return this.#pid;
  }

  /** Of that process, in clock ticks after boot: with the pid it names it uniquely. */
  get startTime(): number {
    return this.#startTime;
  }

  /** Notify descriptor of the filter; null when there is none, or nobody under it any more. */
  get filter(): Fd | null {
    return this.#calls?.notify ?? null;
  }

  /** @throws {SystemCallError} when the launcher cannot be spawned */
  start({ plan, stdin, captured, members, ready }: ServerStart): void {
    let ends: [Fd | number, Fd | number] = [1, 2];
    try {
      ends = this.output.open(captured, plan.trap.length > 0);
      this.#launch = new Launch(this.platform, {
        plan: ready === null ? plan : { ...plan, readyDescriptor: ready.target },
        stdio: [stdin, ...ends],
        members,
        readyEnd: ready?.end ?? null,
        onFilter: (notify) => this.#listenTo(notify),
        onPrepared: this.options.onPrepared,
        onFailed: this.options.onLaunchFailed,
      });
      this.#pid = this.#launch.pid;
      this.#startTime = processStat(this.#pid)?.startTime ?? 0;
    } catch (error) {
      this.output.close();
      throw error;
    } finally {
      for (const end of ends) if (typeof end !== "number") end.close();
      ready?.end.close();
    }
    this.children.add(this);
  }

  /** Goes on with a process that runs already. Takes the descriptors over. */
  resume({ pid, startTime, isForeign, exitStatus, ...fds }: ServerResumption): void {
    this.#pid = pid;
    this.#startTime = startTime;
    this.isForeign = isForeign;
    this.exitStatus = exitStatus;
    this.#lingering = exitStatus !== null;
    for (const { target, read, inHand } of fds.outputs) this.output.resume(target, read, inHand);
    if (fds.filter !== null) this.#listenTo(fds.filter);
    if (exitStatus === null && !isForeign) this.children.add(this);
  }

  /** Finds out what has become of a process that is no child of ours, and follows it. */
  catchUp(): void {
    const isAlive = processStat(this.pid)?.startTime === this.startTime;
    if (this.exitStatus === null && isAlive) return this.children.addForeign(this);
    if (this.exitStatus === null) this.onLeaderExit({ kind: "unknown" });
    this.children.followForeignRest(this);
    this.onDescendantExit();
  }

  #listenTo(notify: Fd): void {
    this.#calls = new TrappedCalls(this.platform, notify, {
      ...this.options.calls,
      onCall: (notification) => this.options.onNotification(notify, notification),
      onGone: () => this.#closeNotify(),
    });
  }

  #closeNotify(): void {
    this.#calls?.close();
    this.#calls = null;
  }

  /** Every live process of this generation. */
  processes(): number[] {
    return this.children.processesOf(this);
  }

  holdsMember(pid: number): boolean {
    return this.options.holdsMember(pid);
  }

  /** Sends `signal` to the leading process, or to what it left behind when it is gone. */
  signal(signal: number): void {
    this.remember();
    const targets = this.exitStatus === null ? [this.pid] : this.processes();
    for (const pid of targets) this.platform.processes.signal(pid, signal);
  }

  /** Some leave the tree later, and everything that tells whose they are: they are known by then. */
  remember(): void {
    for (const pid of this.processes()) {
      const stat = processStat(pid);
      if (stat !== null) this.known.set(pid, stat.startTime);
    }
  }

  /** SIGKILL to the process group and to every process that left the group. */
  kill(): void {
    this.wasKilled = true;
    const members = this.processes();
    // Once the leader is reaped its number is free, unless somebody is still in its group.
    const groupExists = this.exitStatus === null ||
      members.some((pid) => processStat(pid)?.group === this.pid);
    if (groupExists) this.platform.processes.signal(-this.pid, C.SIGKILL);
    for (const pid of members) this.platform.processes.signal(pid, C.SIGKILL);
  }

  onLeaderExit(status: ExitStatus): void {
    this.exitStatus = status;
    this.#launch?.readReports();
    this.output.drain();
    const lingering = this.processes().length;
    this.#lingering = lingering > 0;
    this.options.onExit(status, lingering);
  }

  onDescendantExit(): void {
    if (!this.#lingering || this.processes().length > 0) return;
    this.#lingering = false;
    this.output.drain();
    this.options.onGone();
  }

  close(): void {
    this.#closeNotify();
    this.output.close();
  }
}
