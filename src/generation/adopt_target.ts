/** The listening side of one worker: its trapped calls, the listeners that follow from them, and who holds them. */
import { ClosedListeners } from "../handoff/closed_listeners.ts";
import { releaseHelpers } from "../handoff/helper_listeners.ts";
import {
  type Caller,
  type ListenerOwner,
  ownedBy,
  refreshSocketHolders,
} from "../handoff/listener_owner.ts";
import { ticksNow } from "../platform/clock.ts";
import { errorText } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { canSeeDescriptors, processName, socketInodesOf } from "../platform/process/proc.ts";
import type { TrappedCall } from "../platform/process/seccomp.ts";
import { acceptorOf, watchAccepts } from "../process/accept_watch.ts";
import { ExitWatch } from "../process/exit_watch.ts";
import type { Group } from "../steering/group.ts";
import type { Member } from "../steering/member.ts";
import type { Inspection } from "./candidate/inspection.ts";
import type { WorkerParts } from "./workers/worker_parts.ts";
import { RestWatch } from "./rest_watch.ts";

interface AdoptTargetOptions extends WorkerParts {
  readonly replacementOf: () => number | null;
  /** Looks at what a candidate shares with the serving generation; null: an earlier baton started it. */
  readonly inspection: Inspection | null;
  /** The gate's checks read what the server prints, so it must keep coming through baton. */
  readonly readsOutput: () => boolean;
  /** Its generation has passed its gate. */
  readonly isPassed: () => boolean;
  readonly onChange: () => void;
  readonly fail: (reason: string) => void;
}

export class AdoptTarget implements ListenerOwner {
  readonly epoch: number;
  readonly worker: number;
  /** Clients that wait for this worker are to meet it when it serves, not when it listens. */
  queueAtSwitch = false;
  stopWatchingAccepts = () => {};
  /** Workers with a listening socket of their own (SO_REUSEPORT in a prefork server). */
  readonly #workers: ExitWatch;
  readonly rest: RestWatch;
  readonly #closed: ClosedListeners;

  constructor(readonly options: AdoptTargetOptions) {
    this.epoch = options.epoch;
    this.worker = options.number;
    const { platform, listeners, config, log } = options.context;
    this.#workers = new ExitWatch(platform);
    const refreshListeners = () => this.refreshListeners();
    this.rest = new RestWatch({ ...options, refreshListeners });
    const isOurs = (text: string) => config.listen.some((spec) => spec.text === text);
    const onGivenUp = (text: string) => {
      log(text);
      options.onChange();
    };
    this.#closed = new ClosedListeners(platform.clock, listeners, this, { isOurs, onGivenUp });
  }

  get replacementOf(): number | null {
    return this.options.replacementOf();
  }

  get queueComesLater(): boolean {
    const { server: { filter }, context: { platform: { seccomp } } } = this.options;
    return this.queueAtSwitch && filter !== null && seccomp.canAnswerWithDescriptor(filter);
  }

  get leader(): number | null {
    const { server } = this.options;
    return server.isStarted && server.exitStatus === null ? server.pid : null;
  }

  get isRising(): boolean {
    return this.options.facts.readyTicks === 0 && this.options.isPassed();
  }

  get readyTicks(): number {
    return this.options.facts.readyTicks;
  }

  get settledTicks(): number {
    return this.options.facts.settledTicks;
  }

  processes(): number[] {
    return this.options.server.processes();
  }

  /** Processes that its launcher's filter spares from signals. */
  get spared(): readonly number[] {
    return this.options.inspection?.calls.spared ?? [];
  }

  settle(): void {
    const { facts, context } = this.options;
    facts.isSettled = true;
    facts.settledTicks ||= ticksNow(context.platform.libc);
    this.letPass();
  }

  /** The worker has passed its gate: processes that start from now on are not among its standing ones. */
  stand(): void {
    const { facts, context: { listeners, platform } } = this.options;
    if (facts.readyTicks > 0) return;
    facts.readyTicks = ticksNow(platform.libc);
    if (listeners.groupsOf(this.epoch).length > 1) this.#closed.lookRepeatedly();
    this.letPass();
  }

  /**
   * The worker has passed its gate, or did so under an earlier baton: calls of it that need no decision may continue.
   */
  letPass(): void {
    const { facts: { readyTicks, settledTicks }, server, context: { adopter, config } } =
      this.options;
    if (readyTicks === 0) return;
    adopter.source.look(this.epoch);
    // With --survive the journal has each call before it is answered.
    if (config.survive) return;
    // Where baton may not look into the processes, nothing shows that a server which has opened one listener has opened
    // all.
    const isVisible = settledTicks > 0 || this.processes().every(canSeeDescriptors);
    if (isVisible) server.letPass(adopter.source.passing);
  }

  /**
   * An accept or shutdown belongs to the migration of connections, a bind or listen to the adopter. The journal has the
   * call until it is answered: without an answer its thread hangs.
   */
  answer(notify: Fd, notification: TrappedCall): void {
    const { inspection, context: { journal, adopter, migration, platform } } = this.options;
    if (adopter.mayPass(notification, this)) {
      platform.seccomp.continue(notify, notification.id);
      return;
    }
    journal.during(this, notification, () => {
      if (inspection?.calls.answer(notify, notification)) return "answered";
      if (!migration?.trappedCalls.includes(notification.call)) {
        return adopter.handle(notify, notification, this);
      }
      migration.handle(notify, notification);
      return "answered";
    });
  }

  /** Finds the listeners that the server has closed, or left behind with a dead worker. */
  refreshListeners(): void {
    refreshSocketHolders(this.options.context.listeners.groupsOf(this.epoch), this);
  }

  /**
   * The worker replaces `epoch`, which has exited after it had passed its listeners to it: this one waits for
   * connections there.
   */
  takePassed(epoch: number): void {
    const { context: { listeners } } = this.options;
    const left = listeners.groupsOf(epoch).flatMap((group) =>
      group.membersOf(epoch).map((member) => ({ group, member }))
    );
    const inodes = left.map(({ member }) => member.inode);
    const open = new Set(this.processes().flatMap((pid) => [...socketInodesOf(pid, inodes)]));
    const passed = left.filter(({ member }) => open.has(member.inode));
    for (const { group, member } of passed) group.reassign(member, ownedBy(this, 0));
    this.watchAccepts(passed.map(({ member }) => member));
  }

  /** Gives up the listeners that the server has closed. */
  lookForClosed(): void {
    this.#closed.look();
  }

  /** Lets go of the listeners of helpers, which belong to the service from now on. */
  #releaseHelpers(): void {
    const { context: { listeners, children, log } } = this.options;
    for (const { pid, startTime, address } of releaseHelpers(listeners, this)) {
      children.helpers.add({ pid, startTime, epoch: this.epoch, addresses: [address] });
      log(`${address} is a helper's, ${processName(pid)} (pid ${pid}): it outlives its generation`);
    }
  }

  /** In a new baton: watches the workers that listened before. */
  watchWorkers(): void {
    const { context: { listeners }, server } = this.options;
    const alive = this.processes();
    const members = listeners.groups.flatMap((group) => group.membersOf(this.epoch));
    for (const pid of new Set(members.map(({ owner }) => owner))) {
      if (pid !== server.pid && alive.includes(pid)) this.#watchWorker(pid);
    }
  }

  /** Because baton holds a duplicate, the kernel does not close a dead worker's socket: steering must leave it. */
  #watchWorker(pid: number): void {
    this.#workers.watch(pid, () => this.lookForClosed());
  }

  watchAccepts(members: readonly Member[]): void {
    const { context: { platform, dispatch }, gate, server, onChange } = this.options;
    this.stopWatchingAccepts = watchAccepts({
      clock: platform.clock,
      members,
      findAcceptor: (member) => acceptorOf(platform, [member], server.processes()),
      onAccepting: () => {
        dispatch({ kind: "listening", epoch: this.epoch });
        onChange();
      },
      isOver: () => gate.isListening || gate.isPassed,
    });
  }

  onListening(group: Group, caller: Caller): void {
    const { context, gate, facts, server, readsOutput, onChange, name } = this.options;
    // Servers with SO_REUSEPORT have a socket there for each of their threads, of UDP some one for each client.
    const isOneMore = group.membersOf(this.epoch, this.worker).length > 1;
    if (!isOneMore) context.log(`${name()} listens at ${group.text}`);
    if (caller.pid !== server.pid) this.#watchWorker(caller.pid);
    this.#releaseHelpers();
    // What it has closed before, with clients in its queue, it may never listen at again.
    if (facts.readyTicks > 0 || this.replacementOf !== null) this.#closed.lookRepeatedly();
    context.dispatch({ kind: "listening", epoch: this.epoch });
    // While the caller waits its descriptors can be replaced: the last chance is the listen that
    // completes the gate.
    if (gate.isListening && !readsOutput()) {
      const { orphan, survive } = context.config;
      const isPressing = orphan === "keep" && !survive;
      try {
        if (server.output.handOver(caller, isPressing)) facts.handedOver = true;
      } catch (error) {
        // Trouble with its output is not an error of its listen(2).
        context.logError(`${name()}: output stays with baton: ${errorText(error)}`);
      }
    }
    onChange();
    this.rest.lookSoon();
  }

  refusesPassed(inode: number): boolean {
    return this.options.inspection?.options.passed.refuses(inode) ?? false;
  }

  onOwnHandoff(program: string, what: string): void {
    this.options.inspection?.options.passed.onOwnHandoff(program, what);
  }

  onConflict(reason: string): void {
    const { context: { listeners, logError }, gate, fail, name } = this.options;
    // A generation that has passed its gate cannot fail any more.
    const passed = gate.isPassed || listeners.servingEpoch === this.epoch;
    if (passed) logError(`${name()}: ${reason}`);
    fail(reason);
  }

  onHint(text: string): void {
    const { context, hints, name } = this.options;
    if (hints.includes(text)) return;
    hints.push(text);
    // Logged at once: the gate's verdict, which says the same, may be a minute away.
    context.log(`${name()}: ${text}`);
  }

  /**
   * The worker has exited: its listeners are kept for a replacement, or are retired, and are not looked at any more.
   */
  endLooks(): void {
    this.stopWatchingAccepts();
    this.rest.end();
    this.#closed.close();
  }

  close(): void {
    this.endLooks();
    this.#workers.close();
  }
}
