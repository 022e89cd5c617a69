/**
 * The old baton's hands in one takeover: carries out what `old_side.ts` says follows from each
 * message. Every exception here ends the takeover, and never the old baton.
 */
import type { Fd } from "../../platform/fd.ts";
import type { Platform } from "../../platform/platform.ts";
import { Channel } from "./channel.ts";
import { malformedText } from "../state/fields.ts";
import type { LentListeners, LentReply } from "./lent_listeners.ts";
import {
  cutReason,
  encodeMessage,
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
import { errorText } from "../../platform/error.ts";

/** For the next message, when it should come at once. */
const STEP_TIMEOUT_MS = 10_000;
/** For the new baton itself, on top of its generation's time to get ready. */
const RESERVE_MS = 10_000;
/** However long a new baton says that it needs. */
const MAX_READY_TIMEOUT_MS = 3_600_000;

export type Hello = Extract<Request, { kind: "hello" }>;

/** What the old baton does besides talking. */
interface TakeoverServerHost {
  /** May a takeover begin? Answered by `begin` or `refuse` of the giver. */
  ask(giver: TakeoverServer, hello: Hello): void;
  handOver(): void;
  withdraw(reason: string): void;
  takeBack(): void;
  stop(): void;
  /** The connection is over. */
  left(giver: TakeoverServer): void;
}

interface AcceptedTakeover {
  readonly lending: LentListeners;
  readonly offer: TakeoverOffer;
  /** Passed along with the offer. */
  readonly fds: readonly Fd[];
}

export class TakeoverServer {
  #state: OldState = "greeting";
  #hello: Hello | null = null;
  /** The new one has written down that it does. */
  #serves = false;
  #beginning: AcceptedTakeover | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
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
  accept(beginning: AcceptedTakeover): void {
    this.#beginning = beginning;
    this.#feed({ kind: "accepted" });
  }

  /** It does not, or not any more. */
  refuse(reason: string): void {
    this.#feed({ kind: "refused", reason });
  }

  get isClosed(): boolean {
    return this.#state === "closed";
  }

  get lentListeners(): LentListeners | null {
    return this.#beginning?.lending ?? null;
  }

  #receive(data: Uint8Array, fds: readonly Fd[]): void {
    // Nobody needs to give us any.
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
      this.#feed({
        kind: "refused",
        reason: errorText(error),
      });
    }
  }

  #perform(effect: OldEffect): void {
    const { host } = this;
    switch (effect.kind) {
      case "ask":
        return host.ask(this, this.#hello!);
      case "send_accepted":
        return this.#send(
          { kind: "accepted", ...this.#acceptedTakeover.offer },
          this.#acceptedTakeover.fds,
        );
      case "send_group":
        return this.#sendLent(this.#acceptedTakeover.lending.group(effect.index, effect.from));
      case "send_member":
        return this.#sendLent(this.#acceptedTakeover.lending.member(effect.index));
      case "steer":
        this.#acceptedTakeover.lending.switchTo(effect.members);
        return this.#feed({ kind: "steered" });
      case "send_switched":
        return this.#send({ kind: "switched", counters: this.#acceptedTakeover.offer.counters });
      case "hand_over":
        return host.handOver();
      case "withdraw":
        return host.withdraw(effect.reason);
      case "take_back":
        // Its server serves on, and waits for its own next baton.
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

  get #acceptedTakeover(): AcceptedTakeover {
    if (this.#beginning === null) throw new Error("Cannot hand over: nothing was begun");
    return this.#beginning;
  }

  #sendLent({ reply, fds }: LentReply): void {
    this.#send(reply, fds);
  }

  #send(reply: Reply, fds: readonly Fd[] = []): void {
    this.#channel.send(encodeMessage(reply), fds);
  }

  #arm(timer: OldTimer): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (timer === null) return;
    const readyMs = Math.min(this.#hello?.readyTimeoutMs ?? 0, MAX_READY_TIMEOUT_MS);
    const delayMs = timer === "step" ? STEP_TIMEOUT_MS : readyMs + RESERVE_MS;
    this.#timer = setTimeout(() => this.#feed({ kind: "timed_out" }), delayMs);
  }

  /** Ends the connection, without a word and without an event. */
  close(): void {
    this.#arm(null);
    this.#state = "closed";
    this.#channel.close();
    this.host.left(this);
  }
}
