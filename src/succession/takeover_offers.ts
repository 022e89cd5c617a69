/**
 * Takeovers of this baton by another one, the old side: what the lifecycle is asked, what the new
 * baton is told, and what becomes of it. At most one at a time: the lifecycle sees to that.
 */
import type { Adopter } from "../handoff/adopt.ts";
import type { ServiceEffect, ServiceEvent } from "../lifecycle/vocabulary.ts";
import type { Logger } from "../log/logger.ts";
import { RemoteNetns } from "../platform/network/remote_netns.ts";
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import { ownNamespace } from "../platform/process/proc.ts";
import type { Listeners } from "../steering/listeners.ts";
import { type Hello, TakeoverServer } from "./takeover/takeover_server.ts";
import { HandoffSocket, type PeerVerdict } from "./takeover/handoff_socket.ts";
import { LentListeners } from "./takeover/lent_listeners.ts";
import { commonVersion, cutReason, encodeMessage, VERSIONS } from "./takeover/messages.ts";
import { nextRequest } from "../report/pending_requests.ts";
import type { HandoverFacts } from "./child_upgrade.ts";
import { errorText } from "../platform/error.ts";

interface TakeoverOffersOptions {
  readonly platform: Platform;
  readonly listeners: Listeners;
  readonly adopter: Adopter;
  /** Path of --handoff-socket. */
  readonly path: string;
  readonly backlog: number;
  /** The server outlives this baton, and the next one goes on with it. */
  readonly survives: boolean;
  readonly lock: Fd;
  readonly dispatch: (event: ServiceEvent) => void;
  readonly logger: Logger;
}

interface PendingTakeover {
  readonly giver: TakeoverServer;
  readonly hello: Hello;
  readonly request: number;
}

export class TakeoverOffers {
  readonly socket: HandoffSocket;
  #pending: PendingTakeover[] = [];
  /** The one that was accepted. */
  #current: PendingTakeover | null = null;
  readonly #givers = new Set<TakeoverServer>();

  constructor(readonly options: TakeoverOffersOptions) {
    this.socket = new HandoffSocket(
      options.platform,
      options.path,
      (socket, verdict, left) => this.#onPeer(socket, verdict, left),
    );
  }

  #onPeer(socket: Fd, verdict: PeerVerdict, left: () => void): void {
    const { platform, logger, dispatch } = this.options;
    if (verdict.kind === "stranger") {
      const own = platform.processes.userId();
      const reason = `only user ${own} and root may take over, and this is user ${verdict.uid}`;
      logger.warn(`takeover refused: ${reason}`);
      try {
        platform.descriptors.send(socket, encodeMessage({ kind: "refused", reason }));
      } finally {
        socket.close();
        left();
      }
      return;
    }
    const giver = new TakeoverServer(platform, socket, {
      ask: (giver, hello) => {
        const asked = { giver, hello, request: nextRequest() };
        this.#pending.push(asked);
        dispatch({ kind: "upgrade_requested", request: asked.request, inPlace: false });
      },
      handOver: () => {
        this.options.adopter.refuseNewMembers();
        dispatch({ kind: "handed_over" });
      },
      withdraw: (reason) => {
        if (this.#current?.giver === giver) dispatch({ kind: "upgrade_failed", reason });
      },
      takeBack: () => {
        logger.error("the new baton has ended after it had taken over");
        dispatch({ kind: "handed_back" });
      },
      stop: () => dispatch({ kind: "stop_requested" }),
      left: () => {
        if (this.#givers.delete(giver)) left();
      },
    });
    this.#givers.add(giver);
  }

  #find(requests: readonly number[]): PendingTakeover | undefined {
    const all = this.#current === null ? this.#pending : [...this.#pending, this.#current];
    return all.find(({ request }) => requests.includes(request));
  }

  /** One of `requests` came from a new baton, by the handoff socket. */
  owns(requests: readonly number[]): boolean {
    return this.#find(requests) !== undefined;
  }

  begin(requests: readonly number[], facts: HandoverFacts): void {
    const asked = this.#find(requests);
    if (asked === undefined) return;
    this.#pending = this.#pending.filter((each) => each !== asked);
    this.#current = asked;
    const { hello, giver } = asked;
    if (giver.isClosed) {
      const reason = "the new baton ended before it served";
      return this.options.dispatch({ kind: "upgrade_failed", reason });
    }
    this.options.logger.info(`takeover: "${hello.name}" (baton ${hello.baton}) has connected`);
    try {
      this.#begin(asked, facts);
    } catch (error) {
      giver.refuse(errorText(error));
    }
  }

  #begin({ giver, hello }: PendingTakeover, facts: HandoverFacts): void {
    const { platform, listeners, backlog, lock } = this.options;
    const lending = new LentListeners(platform, listeners, { epoch: facts.nextEpoch, backlog });
    const [group] = lending.groups;
    const own = ownNamespace("net");
    const isNear = hello.network === (group?.network?.name ?? own);
    const known = group?.network ?? null;
    const network = isNear ? null : known ?? RemoteNetns.own(platform.sockets, platform.sockDiag);
    giver.accept({
      lending,
      offer: {
        version: commonVersion(VERSIONS, hello.versions) ?? VERSIONS.max,
        baton: facts.batonVersion,
        name: facts.name,
        network: group?.network?.name ?? own,
        epoch: facts.epoch,
        nextEpoch: facts.nextEpoch,
        startedAt: facts.startedAt,
        notified: facts.notified,
        counters: facts.counters,
        groups: lending.groups.length,
        survives: this.options.survives,
      },
      fds: [lock, ...network?.descriptors ?? []],
    });
    // The new one has its own duplicates now.
    if (network !== known) network?.close();
  }

  /** Nothing comes of the takeover that was accepted, if there is one. */
  abort(): void {
    this.#current?.giver.lentListeners?.giveUp();
  }

  reportResult(
    { requests, result, reason }: Extract<ServiceEffect, { kind: "upgrade_result" }>,
  ): void {
    const asked = this.#find(requests);
    if (asked === undefined) return;
    const { logger } = this.options;
    this.#pending = this.#pending.filter((each) => each !== asked);
    if (result === "ok") return logger.info("takeover: the new baton serves");
    logger.error(`takeover ${result}: ${reason}`);
    asked.giver.refuse(cutReason(reason ?? result));
    if (this.#current === asked) this.#current = null;
  }

  /** The new baton has ended, and generation `epoch` goes on serving: as before the takeover. */
  takeBack(epoch: number): void {
    this.#current?.giver.lentListeners?.takeBack(epoch);
    this.#current = null;
    this.options.adopter.acceptNewMembers();
    this.takePath();
  }

  /** Another baton's socket is there: ours comes in its place. Never throws: this baton serves already. */
  takePath(): void {
    try {
      this.socket.replace();
    } catch (error) {
      const message = errorText(error);
      this.options.logger.error(`nobody can take over from this baton: ${message}`);
    }
  }

  close(): void {
    for (const giver of [...this.#givers]) giver.close();
    this.socket.close();
  }
}
