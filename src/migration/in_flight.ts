/**
 * Connections on their way from the old generation to the one that serves: each is held until the old one has it open
 * no more, and only then offered, so that two processes never read it.
 *
 * One that rests between two requests stays here when its server ends, and is offered when its client sends something.
 * None stays for ever: who is not taken in time, or sends nothing, is closed.
 */
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import * as proc from "../platform/process/proc.ts";
import type { Group } from "../steering/group.ts";
import { open } from "./pause.ts";
import type { PendingAccepts } from "./pending_accepts.ts";
import { whileHeld, whileResting } from "./inspection.ts";
import { HEAD_LIMIT, recognise } from "./request.ts";

/** Between two looks: what a client waits longer at most. */
const LOOK_MS = 2;
/** Until an offer is taken. */
const OFFER_MS = 5_000;
/** Descriptors that baton keeps free for itself: a reload opens some, and everybody who asks it something. */
const RESERVE = 64;
/** A server that accepts in many threads may have taken the knock elsewhere. */
const KNOCK_AGAIN_MS = 50;

/** Where the old generation has it. */
export interface Place {
  readonly pid: number;
  readonly descriptor: number;
  /** What /proc says of that descriptor. */
  readonly target: string;
}

export interface MovingConnection {
  readonly inode: number;
  readonly socket: Fd;
  readonly place: Place;
  readonly group: Group;
  /** Bytes that its server had read and sent when it set out. */
  readonly read: number;
  readonly sent: number;
  /** What becomes of it. */
  readonly onEnd: (how: keyof MovedConnection) => void;
}

/** What its server has done since it set out; final when that has it open no more. */
interface Traces {
  hasRead: boolean;
  hasSent: boolean;
  isShut: boolean;
}

interface Crossing extends MovingConnection, Traces {
  /** The old generation has it open; and is woken again; nobody has; it waits for somebody to accept. */
  state: "held" | "returned" | "rest" | "offered";
  sinceMs: number;
  withdraw: () => void;
}

/** What became of them, since the beginning. */
export interface MovedConnection {
  moved: number;
  /** They rested, and were closed after a time. */
  closed: number;
  /** They were closed although something was owed. */
  cut: number;
  /** The old generation has them again: it did not close them. */
  left: number;
}

export interface InFlightOptions {
  /** There is somebody on the way, or nobody any more. */
  readonly onChange: () => void;
  /** Nobody is on the way any more. */
  readonly onEmpty: (counts: MovedConnection) => void;
}

export class InFlightMoves {
  readonly counts: MovedConnection = { moved: 0, closed: 0, cut: 0, left: 0 };
  readonly #crossings = new Set<Crossing>();
  readonly #buffer = new Uint8Array(HEAD_LIMIT);
  readonly #waiters: (() => void)[] = [];
  #timer: ReturnType<typeof setTimeout> | null = null;
  #knockedAtMs = -Infinity;

  constructor(
    readonly platform: Platform,
    readonly inbox: PendingAccepts,
    readonly options: InFlightOptions,
  ) {}

  get isEmpty(): boolean {
    return this.#crossings.size === 0;
  }

  /** So many more can be on the way: each is a descriptor of baton's. */
  get room(): number {
    const [limit] = this.platform.processes.fileLimit();
    return Math.max(0, limit - proc.ownDescriptorCount() - RESERVE);
  }

  /** A request waits on one of them. */
  get owes(): boolean {
    const { sockets } = this.platform;
    return [...this.#crossings].some(({ socket }) => sockets.unreadBytes(socket) > 0);
  }

  /** Resolves when nobody is on the way: in REST_MS and OFFER_MS at the latest, unless others follow. */
  whenEmpty(): Promise<void> {
    return this.isEmpty ? Promise.resolve() : new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Those that the old generation may have open still, and that are its own no more. */
  get inodes(): Set<number> {
    return new Set([...this.#crossings].map(({ inode }) => inode));
  }

  /** Those that it must not shut down, as /proc shows them. */
  get targets(): Set<string> {
    const away = [...this.#crossings].filter(({ state }) => state !== "returned");
    return new Set(away.map(({ place }) => place.target));
  }

  /** Takes the socket over, which is paused. */
  add(passenger: MovingConnection): void {
    const sinceMs = performance.now();
    const idle = { hasRead: false, hasSent: false, isShut: false, withdraw: () => {} };
    this.#crossings.add({ ...passenger, ...idle, state: "held", sinceMs });
    this.options.onChange();
    this.#timer ??= setTimeout(() => this.#look(), LOOK_MS);
  }

  #offer(crossing: Crossing, atMs: number): void {
    const { socket, group } = crossing;
    Object.assign(crossing, { state: "offered", sinceMs: atMs });
    // Whoever gets it may read it at once, also in blocking mode.
    open(this.platform, socket);
    const onTaken = () => this.#end(crossing, "moved");
    crossing.withdraw = this.inbox.offer({ group, socket, onTaken });
  }

  #look(): void {
    this.#timer = null;
    const atMs = performance.now();
    for (const crossing of this.#crossings) {
      try {
        this.#lookAt(crossing, atMs);
      } catch {
        this.#end(crossing, "cut");
      }
    }
    this.#knock(atMs);
    if (this.isEmpty) return this.#emptied();
    this.#timer = setTimeout(() => this.#look(), LOOK_MS);
  }

  #emptied(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
    this.options.onChange();
    this.options.onEmpty(this.counts);
  }

  #lookAt(crossing: Crossing, atMs: number): void {
    const { state } = crossing;
    if ((state === "held" || state === "returned") && !this.#isAway(crossing, atMs)) return;
    const ageMs = atMs - crossing.sinceMs;
    if (crossing.state === "offered") {
      if (ageMs > OFFER_MS) this.#end(crossing, "cut");
      return;
    }
    const { sockets } = this.platform;
    const isEstablished = sockets.tcpState(crossing.socket) === C.TCP_ESTABLISHED;
    const begins = sockets.unreadBytes(crossing.socket) === 0
      ? null
      : recognise(sockets.peek(crossing.socket, this.#buffer)).beginning;
    const { hasRead, hasSent } = crossing;
    const next = whileResting({ ageMs, isEstablished, begins, hasRead, hasSent });
    if (next === "offer") this.#offer(crossing, atMs);
    else if (next !== "wait") this.#end(crossing, next);
  }

  /** @returns true when nobody else has it open any more */
  #isAway(crossing: Crossing, atMs: number): boolean {
    const { socket, place: { pid, descriptor, target } } = crossing;
    const isOpen = proc.descriptorTarget(pid, descriptor) === target;
    const isBack = crossing.state === "returned";
    // After it: what its server has done is final then.
    const traces = isOpen && !isBack ? crossing : this.#tracesOn(crossing);
    if (traces === null) return false;
    const { hasRead, hasSent, isShut } = traces;
    const unread = this.platform.sockets.unreadBytes(socket);
    const ageMs = atMs - crossing.sinceMs;
    switch (whileHeld({ ageMs, isOpen, isBack, unread, hasRead, isShut })) {
      case "wait":
        return false;
      case "return":
        open(this.platform, socket);
        crossing.state = "returned";
        return false;
      case "left":
        this.#end(crossing, "left");
        return false;
      case "rest":
        Object.assign(crossing, { hasRead, hasSent, state: "rest", sinceMs: atMs });
        return true;
    }
  }

  /** What its server has done since it set out; null: something came in this moment. */
  #tracesOn({ socket, read, sent }: Crossing): Traces | null {
    const { sockets, sockDiag } = this.platform;
    const before = sockDiag.trafficOf(socket);
    const unread = sockets.unreadBytes(socket);
    const underWay = sockets.unacknowledgedBytes(socket);
    const state = sockets.tcpState(socket);
    const traffic = sockDiag.trafficOf(socket);
    if (traffic === null || before?.bytesReceived !== traffic.bytesReceived) return null;
    // The kernel counts the end as one byte.
    const readNow = traffic.bytesReceived - unread - (state === C.TCP_ESTABLISHED ? 0 : 1);
    const isShut = state !== C.TCP_ESTABLISHED && state !== C.TCP_CLOSE_WAIT;
    return { hasRead: readNow !== read, hasSent: traffic.bytesAcked + underWay > sent, isShut };
  }

  #end(crossing: Crossing, how: keyof MovedConnection): void {
    crossing.withdraw();
    crossing.socket.close();
    this.#crossings.delete(crossing);
    this.counts[how]++;
    crossing.onEnd(how);
  }

  /** A connection of our own, so that the server accepts: it may wait for one. */
  #knock(atMs: number): void {
    const offered = [...this.#crossings].filter(({ state }) => state === "offered");
    if (offered.length === 0 || atMs - this.#knockedAtMs < KNOCK_AGAIN_MS) return;
    this.#knockedAtMs = atMs;
    for (const { address } of new Set(offered.map(({ group }) => group))) {
      try {
        using socket = this.platform.sockets.stream(address.family, { nonblocking: true });
        this.platform.sockets.connectInet(socket, reachable(address));
      } catch {
        // EINPROGRESS is as good; and whoever connects next knocks too.
      }
    }
  }
}

/** Nobody listens at "any address"; who listens there is reached at the loopback address. */
function reachable(address: Group["address"]): Group["address"] {
  if (address.host === "0.0.0.0") return { ...address, host: "127.0.0.1" };
  return address.host === "::" ? { ...address, host: "::1" } : address;
}
