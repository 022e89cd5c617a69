/**
 * Drains the UDP sockets of a generation that is about to get its stop signal: what is in the queue of one that is closed
 * is lost. With --udp switch new datagrams go to the new generation already, and the old one has time to read and answer
 * the rest. Of servers that set SO_REUSEPORT themselves (DNS servers) and whose sockets baton leaves alone, the kernel
 * spreads datagrams over all sockets of an address: here they are led to the new generation first.
 */
import type { Timer } from "../../platform/clock.ts";
import { SystemCallError } from "../../platform/error.ts";
import type { Fd } from "../../platform/fd.ts";
import { type UdpSocket, udpSockets } from "../../platform/network/udp_table.ts";
import type { Platform } from "../../platform/platform.ts";
import { ownSocketInode, socketDescriptorsOf } from "../../platform/process/proc.ts";
import { programFor } from "../../steering/bpf_program.ts";
import { type DatagramPlan, planDatagrams } from "./datagram_plan.ts";

const LOOK_MS = 5;
/** How long a server may take to read its queue: after that it will not. */
const LONGEST_WAIT_MS = 2_000;
/** From the last datagram that was read to its answer, which baton does not see. */
const ANSWER_MS = 100;
/** From the last read to its answer with --udp switch: a resolver asks others first. */
const LONG_ANSWER_MS = 2_000;

interface DatagramDrainOptions {
  /** All UDP sockets when the successor was started. */
  readonly before: readonly UdpSocket[];
  processes(): number[];
  successor(): number[];
  /** With --udp switch: inodes of its sockets, which get nothing new. */
  switched(): number[];
  /** Whether new datagrams wait until the generation has ended. */
  readonly isHeld: boolean;
  /** Whether a socket is a member, which baton steers. */
  isMember(inode: number): boolean;
  onDrained(): void;
}

/** One address where new datagrams are led to the successor. */
interface Led {
  readonly plan: DatagramPlan;
  /** Our duplicate of a socket of the successor, to attach the program with. */
  readonly through: Fd;
  /**
   * Our duplicates of the leaving sockets, by inode: a server closes them one after the other, and each close moves
   * another one to a place that the program does not know.
   */
  readonly held: ReadonlyMap<number, Fd>;
}

export class DatagramDrain {
  readonly #led: Led[] = [];
  #timer: Timer | null = null;
  #leaving: ReadonlySet<number> = new Set();
  #answerMs = ANSWER_MS;

  constructor(readonly platform: Platform, readonly options: DatagramDrainOptions) {}

  /** Calls `onDrained`, at once where there is nothing to wait for. */
  begin(): void {
    const plans = this.#plans().filter((plan) => this.#lead(plan));
    const switched = this.options.switched();
    if (plans.length + switched.length === 0) return this.options.onDrained();
    this.#leaving = new Set([...plans.flatMap(({ leaving }) => leaving), ...switched]);
    const isUrgent = switched.length === 0 || this.options.isHeld;
    this.#answerMs = isUrgent ? ANSWER_MS : LONG_ANSWER_MS;
    this.#look(this.platform.clock.now() + LONGEST_WAIT_MS);
  }

  #plans(): DatagramPlan[] {
    const { processes, successor, isMember } = this.options;
    const isAlone = ({ inode }: UdpSocket) => !isMember(inode);
    const before = this.options.before.filter(isAlone);
    if (before.length === 0) return [];
    const now = udpSockets().filter(isAlone);
    // Servers without UDP sockets are not looked into.
    const known = new Set(before.map(({ local }) => local));
    const inodes = new Set(before.map(({ inode }) => inode));
    if (!now.some(({ local, inode }) => known.has(local) && !inodes.has(inode))) return [];
    const open = (pids: readonly number[]) =>
      new Set(pids.flatMap((pid) => [...socketDescriptorsOf(pid).keys()]));
    return planDatagrams({ before, now, old: open(processes()), next: open(successor()) });
  }

  /**
   * Leads new datagrams to the successor. @returns false where that is impossible: then the kernel still spreads them
   */
  #lead(plan: DatagramPlan): boolean {
    const { processes, successor } = this.options;
    const through = this.#duplicate(plan.through, successor());
    if (through === null) return false;
    const held = new Map<number, Fd>();
    for (const inode of plan.leaving) {
      const socket = this.#duplicate(inode, processes());
      if (socket !== null) held.set(inode, socket);
    }
    const led = { plan, through, held };
    if (this.#choose(led, plan.chosen)) this.#led.push(led);
    // Sockets in no group, with SO_REUSEADDR: the kernel gives all datagrams to the newest one.
    else closeAll(led);
    return true;
  }

  /**
   * Attaches a program that names `receiving`. @returns false where the kernel refuses: without SO_REUSEPORT the
   * sockets are in no group
   */
  #choose({ through }: Led, receiving: readonly number[]): boolean {
    try {
      this.platform.sockets.attachReuseportProgram(through, programFor({ receiving }));
      return true;
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      return false;
    }
  }

  #duplicate(inode: number, pids: readonly number[]): Fd | null {
    const { processes } = this.platform;
    for (const pid of pids) {
      const descriptor = socketDescriptorsOf(pid).get(inode);
      if (descriptor === undefined) continue;
      try {
        using pidfd = processes.openDescriptors(pid);
        const socket = processes.duplicateFrom(pidfd, descriptor);
        // The process may have reused the number for another file.
        if (ownSocketInode(socket.number) === inode) return socket;
        socket.close();
      } catch (error) {
        if (!(error instanceof SystemCallError)) throw error;
      }
    }
    return null;
  }

  #look(untilMs: number): void {
    const { clock } = this.platform;
    const waits = udpSockets().some(({ inode, receiveQueue }) =>
      receiveQueue > 0 && this.#leaving.has(inode)
    );
    const isOver = !waits || clock.now() >= untilMs;
    this.#timer = isOver
      ? clock.after(this.#answerMs, () => this.options.onDrained())
      : clock.after(LOOK_MS, () => this.#look(untilMs));
  }

  /** Ends the drain, once the generation has gone, or serves again: the kernel chooses by itself. */
  end(): void {
    this.#timer?.cancel();
    for (const led of this.#led.splice(0)) {
      this.#leave(led);
      this.platform.sockets.detachReuseportProgram(led.through);
      closeAll(led);
    }
  }

  /** Takes the old sockets out of the kernel's list, while the program names only places where that moves nothing. */
  #leave(led: Led): void {
    const { plan: { chosen }, held } = led;
    let remaining = chosen;
    for (const [inode, socket] of held) {
      // The kernel moves the last socket to the place of the one that is closed.
      remaining = remaining.slice(0, -1);
      if (remaining.length > 0) this.#choose(led, remaining);
      socket.close();
      // A process has it open still: nothing has moved.
      if (udpSockets().some((each) => each.inode === inode)) return;
    }
  }
}

function closeAll({ through, held }: Led): void {
  through.close();
  for (const socket of held.values()) socket.close();
}
