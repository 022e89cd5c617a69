/**
 * The new baton's hands in a takeover: carries out the effects of `new_side.ts`.
 *
 * `connect` resolves when everything has arrived that the first generation needs. From then on the old baton's
 * generation is a `PredecessorGeneration`, whose end is reported once.
 */
import type { Timer } from "../../platform/clock.ts";
import { errorText, SystemCallError } from "../../platform/error.ts";
import type { Fd } from "../../platform/fd.ts";
import { connectPackets } from "../../platform/network/unix_listener.ts";
import type { Platform } from "../../platform/platform.ts";
import { ownNamespace } from "../../platform/process/proc.ts";
import type { Group } from "../../steering/group.ts";
import type { Listeners } from "../../steering/listeners.ts";
import type { MemberRecord } from "../../steering/member.ts";
import { ReceivedListeners } from "./received_listeners.ts";
import { Channel } from "./channel.ts";
import { cutReason } from "../state/fields.ts";
import type { NamedDescriptors } from "../state/resumption.ts";
import {
  type Counters,
  type Hello,
  parseReply,
  type Reply,
  type Request,
  type TakeoverOffer,
  VERSIONS,
} from "./messages.ts";
import { NEW_SIDE, type NewEffect, type NewEvent, type NewState, newStep } from "./new_side.ts";

/** For each answer of the old baton. */
const ANSWER_TIMEOUT_MS = 10_000;

interface TakeoverClientOptions
  extends Pick<Hello, "baton" | "name" | "readyTimeoutMs" | "survives"> {
  /** The old baton's --handoff-socket. */
  readonly path: string;
  /** The old baton must stop after this time, whatever connections it still has. */
  readonly parentShutdownTimeMs: number;
  /** How many the new generation begins with. */
  readonly workers: number;
}

export interface PredecessorEvents {
  /** The old baton has exited. */
  readonly onGone: () => void;
  /** The takeover has failed: the old baton serves on, and this one must exit. */
  readonly onGivenUp: (reason: string) => void;
  /** `listen` calls that wait for a member can be answered now. */
  readonly onResume: () => void;
}

/** What is known of the old baton and its generation. */
interface OldService extends Pick<TakeoverOffer, "epoch" | "nextEpoch" | "startedAt" | "notified"> {
  /** Its process ids may mean nothing in this PID namespace. */
  readonly servingPid: null;
  counters: Counters;
  readonly groups: readonly { readonly members: readonly MemberRecord[] }[];
}

/** The takeover failed, and the old baton serves on; the CLI maps it to EXIT_NEW_GENERATION_FAILED. */
export class TakeoverError extends Error {}

export class TakeoverClient {
  #state: NewState;
  #timer: Timer | null = null;
  #offer: Extract<Reply, { kind: "accepted" }> | null = null;
  readonly #received: ReceivedListeners;
  readonly #channel: Channel<Request, Reply>;
  readonly #ready = Promise.withResolvers<void>();
  #events: PredecessorEvents | null = null;
  #promote: (() => void) | null = null;
  #service: OldService | null = null;
  /** An event that came before `watch`. */
  #early: NewEvent | null = null;

  private constructor(
    readonly platform: Platform,
    socket: Fd,
    readonly options: TakeoverClientOptions,
  ) {
    this.#state = { ...NEW_SIDE, workers: options.workers };
    this.#received = new ReceivedListeners(platform);
    this.#channel = new Channel(platform, socket, parseReply, {
      onMessage: (reply, fds) => {
        this.#received.receive(fds);
        this.#feed({ kind: "reply", reply });
      },
      onMalformed: (reason) => this.#feed({ kind: "malformed", reason }),
      onGone: () => this.#feed({ kind: "gone" }),
    });
  }

  /**
   * @returns null when nothing listens at the path
   * @throws {TakeoverError} when the old baton refuses, or cannot
   */
  static async connect(
    platform: Platform,
    options: TakeoverClientOptions,
  ): Promise<TakeoverClient | null> {
    const cannot = `Cannot take over through ${options.path}`;
    let socket: Fd | null;
    try {
      socket = connectPackets(platform.sockets, options.path);
    } catch (error) {
      if (!(error instanceof SystemCallError) && !(error instanceof RangeError)) throw error;
      throw new TakeoverError(`${cannot}: ${error.message}`);
    }
    if (socket === null) return null;
    const { uid } = platform.sockets.peerCredentials(socket);
    if (!platform.processes.trustsUser(uid)) {
      socket.close();
      throw new TakeoverError(`${cannot}: user ${uid} listens there, and is not trusted`);
    }
    const { baton, name, readyTimeoutMs, survives } = options;
    const client = new TakeoverClient(platform, socket, options);
    const network = ownNamespace("net");
    const facts = { baton, name, readyTimeoutMs, survives };
    client.#channel.send({ kind: "hello", versions: VERSIONS, network, ...facts });
    client.#arm(true);
    try {
      await client.#ready.promise;
    } catch (error) {
      throw new TakeoverError(`${cannot}: ${errorText(error)}`);
    }
    return client;
  }

  /** Known when `connect` has resolved. */
  get state(): OldService {
    return this.#service!;
  }

  /** For people: "web (baton 0.1.0)". */
  get text(): string {
    return `${this.#offer?.name} (baton ${this.#offer?.baton})`;
  }

  get passedOn(): NamedDescriptors {
    return this.#received.passedOn;
  }

  /** @returns the old baton's lock, if it locks the file at `path`: both share the name until the old one exits */
  takeLock(path: string): Fd | null {
    return this.#received.takeLock(path);
  }

  /** Puts the old baton's members into the table, and those that it has made for this one. */
  importInto(listeners: Listeners): void {
    this.#received.importInto(listeners);
  }

  watch(events: PredecessorEvents): void {
    this.#events = events;
    const early = this.#early;
    // Not before the caller is set up.
    if (early !== null) queueMicrotask(() => this.#feed(early));
  }

  /** Asks for one more member at the address of `group`, if that is one of the old baton's. */
  needMember(group: Group): void {
    const index = this.#received.indexOf(group);
    if (index >= 0) this.#feed({ kind: "member_needed", index });
  }

  /** Calls `go` once the old baton has steered to generation `epoch` of this one, or is gone. */
  beforeServing(epoch: number, go: () => void): void {
    if (this.#state.phase === "serving" || this.#state.phase === "alone") return go();
    if (this.#state.phase !== "prepared") return;
    this.#promote = () => {
      this.#received.takeSteering(epoch);
      go();
      this.#events?.onResume();
    };
    const members = this.#received.usedBy(epoch).map(({ inode }) => inode);
    this.#feed({ kind: "gate_passed", members });
  }

  /** The old baton has handed over before it said that it has switched. */
  whenSilent(go: () => void): void {
    go();
  }

  reportServing(): void {
    if (this.#state.phase !== "serving") return;
    this.#channel.send({ kind: "serves" });
    this.#timer = this.platform.clock.after(this.options.parentShutdownTimeMs, () => this.stop());
  }

  reportFailure(reason: string): void {
    this.#step({ kind: "own_failed", reason: cutReason(reason) });
  }

  /** One more stop request to the old baton. The takeover was its first: this is the second, the next one kills. */
  stop(): void {
    this.#feed({ kind: "stop_old" });
  }

  close(): void {
    this.#arm(false);
    this.#channel.close();
    this.#received.closeLock();
  }

  #feed(event: NewEvent): void {
    // Between the last answer and the import of the collected members: they would be closed half-way.
    if (this.#service !== null && this.#events === null) this.#early ??= event;
    else this.#step(event);
  }

  #step(event: NewEvent): void {
    const { state, effects } = newStep(this.#state, event);
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: NewEffect): void {
    switch (effect.kind) {
      case "ask":
        return this.#channel.send(effect.request);
      case "arm":
        return this.#arm(effect.timed);
      case "keep_offer":
        this.#offer = effect.offer;
        return this.#received.keepOffer(effect.offer.network, effect.offer.passedOn ?? []);
      case "keep_group": {
        const { index, address, members } = effect.group;
        return this.#received.keepMembers(index, address, members);
      }
      case "keep_member":
        return this.#received.keepMembers(effect.member.index, null, [effect.member.member]);
      case "start":
        return this.#start();
      case "resume":
        return this.#events?.onResume();
      case "promote":
        if (effect.reply !== null) this.state.counters = effect.reply.counters;
        this.#promote?.();
        this.#promote = null;
        return;
      case "inherit":
        return this.#inherit();
      case "give_up":
        return this.#giveUp(effect.reason);
    }
  }

  #arm(timed: boolean): void {
    this.#timer?.cancel();
    const { clock } = this.platform;
    const expire = () => this.#feed({ kind: "timed_out" });
    this.#timer = timed ? clock.after(ANSWER_TIMEOUT_MS, expire) : null;
  }

  #start(): void {
    const offer = this.#offer!;
    this.#service = {
      ...offer,
      servingPid: null,
      // Members of the old baton, without those that it has made for this one.
      groups: this.#received.groups.map(({ members }) => ({
        members: members.map(({ record }) => record).filter(({ epoch }) =>
          epoch !== offer.nextEpoch
        ),
      })),
    };
    this.#ready.resolve();
  }

  #inherit(): void {
    this.close();
    this.#received.thaw();
    this.#events?.onResume();
    this.#events?.onGone();
  }

  #giveUp(reason: string): void {
    this.#channel.send({ kind: "failed", reason: cutReason(reason) });
    this.close();
    this.#received.close();
    if (this.#events !== null) this.#events.onGivenUp(reason);
    else this.#ready.reject(new TakeoverError(reason));
  }
}
