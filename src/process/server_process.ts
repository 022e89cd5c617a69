/**
 * One generation as processes and descriptors: launch, filter, output, signals, exit. Its exit is reported twice: when
 * the leading process has exited, and, if that left others, when the last of them has.
 */
import type { LaunchPlan } from "../launcher/plan.ts";
import { waitsForGo } from "../launcher/calls.ts";
import { startLauncher } from "../launcher/start.ts";
import type { HelperProcess } from "../platform/process/helper_process.ts";
import { CandidateOutput, type OutputObserver } from "../output/candidate_output.ts";
import { C } from "../platform/libc/constants.ts";
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import { isRunning, processStat } from "../platform/process/proc.ts";
import type { ExitStatus } from "../platform/process/wait_status.ts";
import type { TrappedCall } from "../platform/process/seccomp.ts";
import type { Children, Leader } from "./children.ts";
import { startPassing } from "./passing_filter.ts";
import { TrappedCalls, type TrappedCallsOptions } from "./trapped_calls.ts";

/** At a tree of processes that changes all the time. */
const MOST_LOOKS = 20;
/** In which a launcher asks for its go-ahead, if it has a processor. */
const LAUNCHER_MS = 1;

interface ServerStart {
  readonly plan: LaunchPlan;
  readonly stdin: Fd | number;
  /** Which of descriptors 1 and 2 are pipes to baton; the others are baton's own descriptors at once. */
  readonly captured: readonly number[];
  readonly members: readonly Fd[];
  /** Where the server writes when it is ready (`--ready fd:N`); taken over. */
  readonly ready: { readonly end: Fd; readonly target: number } | null;
  /** Called when its program runs. */
  readonly onReleased: () => void;
}

/** What is left of a process that an earlier baton started. */
export interface ServerRemains {
  readonly isForeign: boolean;
  /** Notify descriptor of its filter. */
  readonly filter: Fd | null;
  readonly outputs: readonly ResumedOutput[];
}

export interface ResumedOutput {
  /** 1 or 2. */
  readonly target: number;
  readonly read: Fd;
  /** What the earlier baton had read from it and not forwarded. */
  readonly inHand: Uint8Array;
}

interface ServerProcessOptions {
  readonly epoch: number;
  readonly worker: number;
  readonly onNotification: (notify: Fd, notification: TrappedCall) => void;
  readonly calls: () => Pick<TrappedCallsOptions, "lettingPass" | "isAwaited">;
  readonly onOutput?: OutputObserver;
  /** The process exists, and waits before its first instruction. */
  readonly onPrepared: () => void;
  readonly onLaunchFailed: (status: number, message: string) => void;
  /** @param remaining others of its tree have not exited */
  readonly onLeaderExit: (status: ExitStatus, remaining: number) => void;
  readonly holdsMember: Leader["holdsMember"];
  readonly onAllExited: () => void;
}

export class ServerProcess implements Leader {
  readonly epoch: number;
  readonly worker: number;
  readonly holdsMember: Leader["holdsMember"];
  readonly output: CandidateOutput;
  /** Id of the leading process; 0 before the start. */
  pid = 0;
  /** Start time of the leading process, in clock ticks after boot: with the pid it identifies the process. */
  startTime = 0;
  /** When the next leader with its number was started; null: it is the latest. */
  replacedAt: number | null = null;
  /** Whether it is not a child of this baton: the kernel reports that it exited, but not how. */
  isForeign = false;
  /** Exit status of the leading process, once known. */
  exitStatus: ExitStatus | null = null;
  wasKilled = false;
  readonly known = new Map<number, number>();
  #calls: TrappedCalls | null = null;
  /** Stops following the processes that the leading one has left behind; null: none remain. */
  #stopFollowing: (() => void) | null = null;
  #launch: HelperProcess | null = null;
  #asksForGo = false;

  constructor(
    readonly platform: Platform,
    readonly children: Children,
    readonly options: ServerProcessOptions,
  ) {
    this.epoch = options.epoch;
    this.worker = options.worker;
    this.holdsMember = options.holdsMember;
    this.output = new CandidateOutput(platform, options.onOutput);
  }

  get isStarted(): boolean {
    return this.pid !== 0;
  }

  /** Notify descriptor of the filter; null without a filter, or when no process is left under it. */
  get filter(): Fd | null {
    return this.#calls?.notify ?? null;
  }

  /** @throws {SystemCallError} when the launcher cannot be spawned */
  start({ plan, stdin, captured, members, ready, onReleased }: ServerStart): void {
    let ends: [Fd | number, Fd | number] = [1, 2];
    try {
      ends = this.output.open(captured, plan.trap.length > 0);
      this.#launch = startLauncher(this.platform, {
        plan: ready === null ? plan : { ...plan, readyDescriptor: ready.target },
        stdio: [stdin, ...ends],
        members,
        readyEnd: ready?.end ?? null,
        onPrepared: (notify) => {
          if (notify !== undefined) this.#listenTo(notify);
          this.options.onPrepared();
        },
        onReleased,
        onFailed: this.options.onLaunchFailed,
      });
      this.pid = this.#launch.pid;
      this.#asksForGo = waitsForGo(plan);
      this.startTime = processStat(this.pid)?.startTime ?? 0;
    } catch (error) {
      this.output.close();
      throw error;
    } finally {
      for (const end of ends) if (typeof end !== "number") end.close();
      ready?.end.close();
    }
    this.children.add(this);
  }

  /** After `start`: answers the launcher at once, so that the program starts while baton still has other things to do. */
  letGo(): void {
    if (!this.#asksForGo) return;
    try {
      this.#launch?.readMessagesWithin(LAUNCHER_MS);
    } catch (error) {
      // As when the event loop reads it: the gate's time limit ends one that never gets its answer.
      this.platform.reactor.onError(error);
    }
  }

  /** Takes on a process that is running already, and owns the descriptors from now on. */
  resume(
    { pid, startTime, exitStatus }: Pick<ServerProcess, "pid" | "startTime" | "exitStatus">,
    { isForeign, filter, outputs }: ServerRemains,
  ): void {
    Object.assign(this, { pid, startTime, exitStatus, isForeign });
    if (exitStatus !== null) this.#followRemaining();
    for (const { target, read, inHand } of outputs) this.output.resume(target, read, inHand);
    if (filter !== null) this.#listenTo(filter);
    if (exitStatus !== null) return;
    if (!isForeign) this.children.add(this);
    // From now on its processes are asked for: a drain that finds none takes all its connections for somebody else's.
    else if (this.#isThere) this.children.addForeign(this);
  }

  get #isThere(): boolean {
    return processStat(this.pid)?.startTime === this.startTime;
  }

  /** Finds out what has become of a process that is not a child, and follows it. */
  catchUp(): void {
    if (this.exitStatus === null && this.#isThere) return this.children.watchForeign(this);
    this.children.leaveForeign(this);
    if (this.exitStatus === null) this.onLeaderExit({ kind: "unknown" });
    this.children.followForeignRest(this);
    this.#checkRemaining();
  }

  #listenTo(notify: Fd): void {
    this.#calls = new TrappedCalls(this.platform, notify, {
      ...this.options.calls(),
      onCall: (notification) => this.options.onNotification(notify, notification),
      onHangup: () => this.#closeFilter(),
    });
  }

  /** From now on these calls, by number, need no decision: they continue at once where the poll thread takes them. */
  letPass(calls: readonly number[]): void {
    this.#calls?.letPass(calls);
  }

  #closeFilter(): void {
    this.#calls?.close();
    this.#calls = null;
  }

  /** Lets a process of baton's answer the filter, where processes that outlive the generation are still under it. */
  #leaveFilter(): void {
    const { platform, children } = this;
    const calls = this.#calls;
    if (calls === null || !this.isStarted || !this.#isFilterInUse) return this.#closeFilter();
    this.#calls = null;
    calls.leave(() => {
      using notify = calls.notify;
      try {
        children.addHelper(startPassing(platform, notify));
      } catch (error) {
        platform.reactor.onError(error);
      }
    });
  }

  processes(): number[] {
    return this.isStarted ? this.children.processesOf(this) : [];
  }

  /**
   * The same when one has just ended: what it forked a moment before may have moved to baton between two steps of the
   * look. The filter is in use as long as a process lives that was started under it.
   */
  #remaining(): number[] {
    for (let looks = 1; looks < MOST_LOOKS; looks++) {
      const found = this.processes();
      if (found.length > 0 || !this.#isFilterInUse) return found;
    }
    return this.processes();
  }

  /** Whether one of its processes holds a member: looked at again if one has ended meanwhile, and may have forked. */
  holdsMembers(): boolean {
    for (let looks = 1; looks < MOST_LOOKS; looks++) {
      const found = this.#remaining();
      if (found.some(this.holdsMember)) return true;
      if (found.every((pid) => isRunning(pid))) return false;
    }
    return false;
  }

  get #isFilterInUse(): boolean {
    const calls = this.#calls;
    return calls !== null && !this.platform.descriptors.waitForHangup(calls.notify, 0);
  }

  /** Signals the leading process, or what it left behind once it has exited. */
  signal(signal: number): void {
    if (!this.isStarted) return; // kill(2) with 0 would reach baton's own group.
    this.remember();
    const targets = this.exitStatus === null ? [this.pid] : this.processes();
    for (const pid of targets) this.platform.processes.signal(pid, signal);
  }

  /** Records the tree as it is now: a process that leaves it later, without a trace, still counts as part of it. */
  remember(): void {
    for (const pid of this.processes()) {
      const stat = processStat(pid);
      if (stat !== null) this.known.set(pid, stat.startTime);
    }
  }

  /** SIGKILL to the process group and to every process that left the group. */
  kill(): void {
    if (!this.isStarted) return;
    this.wasKilled = true;
    const members = this.processes();
    // Once the leader is reaped its number is free, unless a process is still in its group.
    const groupExists = this.exitStatus === null ||
      members.some((pid) => processStat(pid)?.group === this.pid);
    if (groupExists) this.platform.processes.signal(-this.pid, C.SIGKILL);
    for (const pid of members) this.platform.processes.signal(pid, C.SIGKILL);
  }

  onLeaderExit(status: ExitStatus): void {
    this.exitStatus = status;
    this.#launch?.readMessages();
    this.output.drain();
    const remaining = this.#remaining().length;
    if (remaining > 0) this.#followRemaining();
    this.options.onLeaderExit(status, remaining);
  }

  #followRemaining(): void {
    this.#stopFollowing ??= this.children.onDescendantExit(() => this.#checkRemaining());
  }

  #checkRemaining(): void {
    if (this.#stopFollowing === null || this.#remaining().length > 0) return;
    this.#stopFollowing();
    this.#stopFollowing = null;
    this.output.drain();
    this.options.onAllExited();
  }

  close(): void {
    this.#stopFollowing?.();
    this.#stopFollowing = null;
    this.#leaveFilter();
    this.output.close();
  }
}
