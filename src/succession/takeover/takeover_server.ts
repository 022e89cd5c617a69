/**
 * The old baton's hands in one takeover: carries out the effects of `old_side.ts`. An exception here ends the takeover,
 * and never the old baton.
 */
import type { Timer } from "../../platform/clock.ts";
import { errorText } from "../../platform/error.ts";
import type { Fd } from "../../platform/fd.ts";
import type { Platform } from "../../platform/platform.ts";
import { cutReason } from "../state/fields.ts";
import { Channel } from "./channel.ts";
import type { LentListeners } from "./lent_listeners.ts";
import {
  type Hello,
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

/** Time-out for a message that should come at once. */
const STEP_TIMEOUT_MS = 10_000;
/** What the new baton itself may take, on top of its generation's time to get ready. */
const RESERVE_MS = 10_000;
/** Limit of the time that a new baton asks for. */
const MAX_READY_TIMEOUT_MS = 3_600_000;

/** What the old baton does besides talking. */
interface TakeoverServerHost {
  /** May a takeover begin? Answered by `accept` or `refuse` of the server. */
  requestTakeover(hello: Hello): void;
  handOver(): void;
  withdraw(reason: string): void;
  takeBack(): void;
  stop(): void;
  closed(): void;
}

interface AcceptedTakeover {
  readonly lent: LentListeners;
  readonly offer: TakeoverOffer;
  readonly fds: readonly Fd[];
}

export class TakeoverServer {
  #state: OldState = "greeting";
  #hello: Hello | null = null;
  /** The new baton's state is on record. */
  #serves = false;
  /** The accepted takeover; set before the effects that need it. */
  #accepted: AcceptedTakeover | null = null;
  #timer: Timer | null = null;
  readonly #channel: Channel<Reply, Request>;

  constructor(readonly platform: Platform, takenSocket: Fd, readonly host: TakeoverServerHost) {
    this.#channel = new Channel(platform, takenSocket, parseRequest, {
      onMessage: (request) => {
        if (request.kind === "hello") this.#hello ??= request;
        if (request.kind === "serves") this.#serves = true;
        this.#feed({ kind: "request", request });
      },
      onMalformed: (reason) => this.#feed({ kind: "malformed", reason }),
      onGone: () => this.#feed({ kind: "gone" }),
    });
    this.#arm("step");
  }

  /** The lifecycle agrees. */
  accept(takeover: AcceptedTakeover): void {
    this.#accepted = takeover;
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
    return this.#accepted?.lent ?? null;
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
    const accepted = this.#accepted!;
    switch (effect.kind) {
      case "ask":
        return host.requestTakeover(this.#hello!);
      case "send_accepted":
        return this.#channel.send({ kind: "accepted", ...accepted.offer }, accepted.fds);
      case "send_group":
        return this.#channel.send(...accepted.lent.group(effect.index, effect.from));
      case "send_member":
        return this.#channel.send(...accepted.lent.member(effect.index));
      case "steer":
        accepted.lent.switchTo(effect.members);
        return this.#feed({ kind: "steered" });
      case "send_switched":
        return this.#channel.send({ kind: "switched", counters: accepted.offer.counters });
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
        return this.#channel.send({ kind: "refused", reason: cutReason(effect.reason) });
      case "send_not_understood":
        return this.#channel.send({ kind: "not_understood", name: effect.name });
      case "arm":
        return this.#arm(effect.timer);
      case "close":
        return this.close();
    }
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
