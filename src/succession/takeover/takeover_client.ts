/**
 * The new baton's hands in a takeover: carries out what `new_side.ts` says follows from each answer.
 *
 * `connect` ends when everything is there that the first generation needs. From then on the old
 * baton's generation is a foreign one of ours (succession/predecessor_generation.ts), whose end is told once.
 */
import { errorText, SystemCallError } from "../../platform/error.ts";
import type { Fd } from "../../platform/fd.ts";
import type { Platform } from "../../platform/platform.ts";
import { ownNamespace } from "../../platform/process/proc.ts";
import type { Group } from "../../steering/group.ts";
import type { Listeners } from "../../steering/listeners.ts";
import type { MemberRecord } from "../../steering/member.ts";
import { ReceivedListeners } from "./received_listeners.ts";
import { Channel } from "./channel.ts";
import { malformedText } from "../state/fields.ts";
import { connectToHandoff } from "./handoff_socket.ts";
import {
  type Counters,
  cutReason,
  encodeMessage,
  parseReply,
  type Reply,
  type TakeoverOffer,
  VERSIONS,
} from "./messages.ts";
import { NEW_SIDE, type NewEffect, type NewEvent, type NewState, newStep } from "./new_side.ts";

/** For each answer of the old baton. */
const ANSWER_TIMEOUT_MS = 10_000;

interface TakeoverClientOptions {
  /** The old baton's --handoff-socket. */
  readonly path: string;
  readonly batonVersion: string;
  readonly name: string;
  readonly readyTimeoutMs: number;
  /** The server outlives this baton, and the next one goes on with it. */
  readonly survives: boolean;
  /** After this time the old one is to stop, whatever it still has. */
  readonly parentShutdownTimeMs: number;
}

/** What is known of the old baton and its generation. */
interface OldService extends Pick<TakeoverOffer, "epoch" | "nextEpoch" | "startedAt" | "notified"> {
  /** Its process ids mean nothing here. */
  readonly servingPid: null;
  counters: Counters;
  readonly groups: readonly { readonly members: readonly MemberRecord[] }[];
}

/** No takeover came about, and the old baton goes on; the CLI maps it to EXIT_NEW_GENERATION_FAILED. */
export class TakeoverError extends Error {}

export class TakeoverClient {
  #state: NewState = NEW_SIDE;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #offer: Extract<Reply, { kind: "accepted" }> | null = null;
  readonly #borrowed: ReceivedListeners;
  readonly #channel: Channel;
  readonly #ready = Promise.withResolvers<void>();
  #onGone: () => void = () => {};
  #onGivenUp: (reason: string) => void = (reason) => this.#ready.reject(new TakeoverError(reason));
  #onResume: () => void = () => {};
  #promote: (() => void) | null = null;
  #service: OldService | null = null;
  #isWatched = false;
  /** What has happened before anybody watched. */
  #early: NewEvent | null = null;

  private constructor(
    readonly platform: Platform,
    socket: Fd,
    readonly options: TakeoverClientOptions,
  ) {
    this.#borrowed = new ReceivedListeners(platform);
    this.#channel = new Channel(platform, socket, {
      onMessage: (data, fds) => this.#receive(data, fds),
      onMalformed: (reason) => this.#feed({ kind: "malformed", reason }),
      onGone: () => this.#feed({ kind: "gone" }),
    });
  }

  /**
   * @returns null when nobody answers at the path
   * @throws {TakeoverError} when the old baton does not want to, or cannot
   */
  static async connect(
    platform: Platform,
    options: TakeoverClientOptions,
  ): Promise<TakeoverClient | null> {
    const cannot = `Cannot take over through ${options.path}`;
    let socket: Fd | null;
    try {
      socket = connectToHandoff(platform, options.path);
    } catch (error) {
      if (!(error instanceof SystemCallError) && !(error instanceof RangeError)) throw error;
      throw new TakeoverError(`${cannot}: ${error.message}`);
    }
    if (socket === null) return null;
    const { uid } = platform.sockets.peerCredentials(socket);
    if (!platform.processes.trustsUser(uid)) {
      socket.close();
      throw new TakeoverError(`${cannot}: user ${uid} listens there, who is not trusted`);
    }
    const taker = new TakeoverClient(platform, socket, options);
    taker.#sayHello();
    try {
      await taker.#ready.promise;
    } catch (error) {
      throw new TakeoverError(`${cannot}: ${errorText(error)}`);
    }
    return taker;
  }

  #sayHello(): void {
    const { batonVersion: baton, name, readyTimeoutMs, survives } = this.options;
    this.#ask({
      kind: "hello",
      versions: VERSIONS,
      baton,
      name,
      network: ownNamespace("net"),
      readyTimeoutMs,
      survives,
    });
    this.#arm(true);
  }

  get state(): OldService {
    if (this.#service === null) throw new Error("Cannot describe the old baton: not known yet");
    return this.#service;
  }

  /** For people: "web (baton 0.1.0)". */
  get text(): string {
    return `${this.#offer?.name} (baton ${this.#offer?.baton})`;
  }

  /** @returns the old baton's lock, if it is on the file at `path`: the name is then shared until it ends */
  takeLock(path: string): Fd | null {
    return this.#borrowed.takeLock(path);
  }

  /** Puts the old baton's members into the table, and those that it has made for us. */
  importInto(listeners: Listeners): void {
    this.#borrowed.importInto(listeners);
  }

  /** @param onGivenUp the takeover has failed: the old baton goes on, ours must not */
  watch(onGone: () => void, onGivenUp: (reason: string) => void, onResume: () => void): void {
    this.#isWatched = true;
    const early = this.#early;
    // What watches must be there first.
    if (early !== null) queueMicrotask(() => this.#feed(early));
    this.#onGone = onGone;
    this.#onGivenUp = onGivenUp;
    this.#onResume = onResume;
  }

  /** One more member at the address of `group`, which is one of the old baton's. */
  needMember(group: Group): void {
    const index = this.#borrowed.indexOf(group);
    if (index >= 0) this.#feed({ kind: "member_needed", index });
  }

  /** Calls `go` once the old baton has steered to our generation, or is gone. */
  beforeServing(epoch: number, go: () => void): void {
    if (this.#state.phase === "serving" || this.#state.phase === "alone") return go();
    if (this.#state.phase !== "prepared") return;
    this.#promote = () => {
      this.#borrowed.takeSteering(epoch);
      go();
      this.#onResume();
    };
    const members = this.#borrowed.usedBy(epoch).map(({ inode }) => inode);
    this.#feed({ kind: "gate_passed", members });
  }

  reportServing(_epoch: number): void {
    if (this.#state.phase !== "serving") return;
    this.#ask({ kind: "serves" });
    this.#timer = setTimeout(() => this.stop(), this.options.parentShutdownTimeMs);
  }

  reportFailure(reason: string): void {
    this.#step({ kind: "own_failed", reason: cutReason(reason) });
  }

  /** One more request to stop, to the old baton: the first of ours is its second, the next one kills. */
  stop(): void {
    this.#feed({ kind: "stop_old" });
  }

  close(): void {
    this.#arm(false);
    this.#channel.close();
    this.#borrowed.closeLock();
  }

  #receive(data: Uint8Array, fds: readonly Fd[]): void {
    this.#borrowed.receive(fds);
    try {
      this.#feed({ kind: "reply", reply: parseReply(data) });
    } catch (error) {
      this.#feed({ kind: "malformed", reason: malformedText(error) });
    } finally {
      this.#borrowed.closeRest();
    }
  }

  #feed(event: NewEvent): void {
    if (this.#service !== null && !this.#isWatched) {
      // Between the last answer and the import of what was collected: it would be closed half-way.
      this.#early ??= event;
      return;
    }
    this.#step(event);
  }

  #step(event: NewEvent): void {
    const { state, effects } = newStep(this.#state, event);
    this.#state = state;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: NewEffect): void {
    switch (effect.kind) {
      case "ask":
        return this.#ask(effect.request);
      case "arm":
        return this.#arm(effect.timed);
      case "keep_offer":
        this.#offer = effect.offer;
        return this.#borrowed.keepOffer(effect.offer.network);
      case "keep_group": {
        const { index, address, members } = effect.group;
        return this.#borrowed.keepMembers(index, address, members);
      }
      case "keep_member":
        return this.#borrowed.keepMembers(effect.member.index, null, [effect.member.member]);
      case "start":
        return this.#start();
      case "resume":
        return this.#onResume();
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

  #ask(request: Parameters<typeof encodeMessage>[0]): void {
    this.#channel.send(encodeMessage(request));
  }

  #arm(timed: boolean): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = timed
      ? setTimeout(() => this.#feed({ kind: "timed_out" }), ANSWER_TIMEOUT_MS)
      : null;
  }

  #start(): void {
    const { epoch, nextEpoch, startedAt, notified, counters } = this.#offer!;
    this.#service = {
      epoch,
      nextEpoch,
      startedAt,
      servingPid: null,
      notified,
      counters,
      // Those that were made for us are not the old one's.
      groups: this.#borrowed.groups.map(({ members }) => ({
        members: members.map(({ record }) => record).filter(({ epoch }) => epoch !== nextEpoch),
      })),
    };
    this.#ready.resolve();
  }

  #inherit(): void {
    this.close();
    this.#borrowed.thaw();
    this.#onResume();
    this.#onGone();
  }

  #giveUp(reason: string): void {
    this.#ask({ kind: "failed", reason: cutReason(reason) });
    this.close();
    this.#borrowed.close();
    this.#onGivenUp(reason);
  }
}
