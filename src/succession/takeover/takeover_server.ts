/**
 * The old baton's hands in one takeover: carries out the effects of `old_side.ts`. An exception here ends the takeover,
 * and never the old baton.
 */
import { jsonBytes } from "../../platform/bytes.ts";
import type { Timer } from "../../platform/clock.ts";
import { errorText } from "../../platform/error.ts";
import type { Fd } from "../../platform/fd.ts";
import type { Platform } from "../../platform/platform.ts";
import { cutReason, malformedText } from "../state/fields.ts";
import { Channel } from "./channel.ts";
import type { LentListeners } from "./lent_listeners.ts";
import {
  parseRequest,
  type Reply,
  type Request,
  type TakeoverOffer,
  VERSIONS,
} from "./messages.ts";
import {
  type OldEffect,
  type OldEvent,
  type OldState,
  oldStep,
  type OldTimer,
} from "./old_side.ts";

/** For the next message, when it should come at once. */
const STEP_TIMEOUT_MS = 10_000;
/** For the new baton itself, on top of its generation's time to get ready. */
const RESERVE_MS = 10_000;
/** Limit of the time that a new baton asks for. */
const MAX_READY_TIMEOUT_MS = 3_600_000;

export type Hello = Extract<Request, { kind: "hello" }>;

/** What the old baton does besides talking. */
interface TakeoverServerHost {
  /** May a takeover begin? Answered by `accept` or `refuse` of the server. */
  requestTakeover(hello: Hello): void;
  handOver(): void;
  withdraw(reason: string): void;
  takeBack(): void;
  stop(): void;
  /** The connection is closed. */
  closed(): void;
}

interface AcceptedTakeover {
  readonly lent: LentListeners;
  readonly offer: TakeoverOffer;
  /** Sent along with the offer. */
  readonly fds: readonly Fd[];
}

export class TakeoverServer {
  #state: OldState = "greeting";
  #hello: Hello | null = null;
  /** The new baton's state is on record. */
  #serves = false;
  #acceptedTakeover: AcceptedTakeover | null = null;
  #timer: Timer | null = null;
  readonly #channel: Channel;

  constructor(readonly platform: Platform, takenSocket: Fd, readonly host: TakeoverServerHost) {
    this.#channel = new Channel(platform, takenSocket, {
      onMessage: (data, fds) => this.#receive(data, fds),
      onMalformed: (reason) => this.#feed({ kind: "malformed", reason }),
      onGone: () => this.#feed({ kind: "gone" }),
    });
    this.#arm("step");
  }

  /** The lifecycle agrees. */
  accept(takeover: AcceptedTakeover): void {
    this.#acceptedTakeover = takeover;
    this.#feed({ kind: "accepted" });
  }

  /** The lifecycle disagrees, now or later. */
  refuse(reason: string): void {
    this.#feed({ kind: "refused", reason });
  }

  get isClosed(): boolean {
    return this.#state === "closed";
  }

  get lent(): LentListeners | null {
    return this.#acceptedTakeover?.lent ?? null;
  }

  #receive(data: Uint8Array, fds: readonly Fd[]): void {
    // The protocol has no request with descriptors.
    fds.forEach((fd) => fd.close());
    let request: Request;
    try {
      request = parseRequest(data);
    } catch (error) {
      return this.#feed({ kind: "malformed", reason: malformedText(error) });
    }
    if (request.kind === "hello") this.#hello ??= request;
    if (request.kind === "serves") this.#serves = true;
    this.#feed({ kind: "request", request });
  }

  #feed(event: OldEvent): void {
    const { state, effects } = oldStep(this.#state, event, VERSIONS);
    this.#state = state;
    try {
      for (const effect of effects) this.#perform(effect);
    } catch (error) {
      this.#feed({ kind: "refused", reason: errorText(error) });
    }
  }

  #perform(effect: OldEffect): void {
    const { host } = this;
    switch (effect.kind) {
      case "ask":
        return host.requestTakeover(this.#hello!);
      case "send_accepted":
        return this.#send({ kind: "accepted", ...this.#accepted.offer }, this.#accepted.fds);
      case "send_group":
        return this.#send(...this.#accepted.lent.group(effect.index, effect.from));
      case "send_member":
        return this.#send(...this.#accepted.lent.member(effect.index));
      case "steer":
        this.#accepted.lent.switchTo(effect.members);
        return this.#feed({ kind: "steered" });
      case "send_switched":
        return this.#send({ kind: "switched", counters: this.#accepted.offer.counters });
      case "hand_over":
        return host.handOver();
      case "withdraw":
        return host.withdraw(effect.reason);
      case "take_back":
        // A surviving server continues, and waits for its own next baton.
        if (!this.#hello?.survives || !this.#serves) host.takeBack();
        return;
      case "stop":
        return host.stop();
      case "send_refused":
        return this.#send({ kind: "refused", reason: cutReason(effect.reason) });
      case "send_not_understood":
        return this.#send({ kind: "not_understood", name: effect.name });
      case "arm":
        return this.#arm(effect.timer);
      case "close":
        return this.close();
    }
  }

  get #accepted(): AcceptedTakeover {
    if (this.#acceptedTakeover === null) throw new Error("Cannot hand over: nothing was accepted");
    return this.#acceptedTakeover;
  }

  #send(reply: Reply, fds: readonly Fd[] = []): void {
    this.#channel.send(jsonBytes(reply), fds);
  }

  #arm(timer: OldTimer): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (timer === null) return;
    const readyMs = Math.min(this.#hello?.readyTimeoutMs ?? 0, MAX_READY_TIMEOUT_MS);
    const delayMs = timer === "step" ? STEP_TIMEOUT_MS : readyMs + RESERVE_MS;
    this.#timer = this.platform.clock.after(delayMs, () => this.#feed({ kind: "timed_out" }));
  }

  /** Closes the connection without a message or an event. */
  close(): void {
    this.#arm(null);
    this.#state = "closed";
    this.#channel.close();
    this.host.closed();
  }
}
