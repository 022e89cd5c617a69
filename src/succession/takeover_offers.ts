/**
 * Takeovers of this baton by another one, the old side: the request to the lifecycle, the offer to the new baton, and
 * the result. The lifecycle allows one at a time.
 */
import type { RunningContext } from "../generation/context.ts";
import type { ServiceEffect } from "../lifecycle/vocabulary.ts";
import type { Logger } from "../log/logger.ts";
import { jsonBytes } from "../platform/bytes.ts";
import { errorText } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import { nextRequest } from "../report/pending_requests.ts";
import { cutReason } from "./state/fields.ts";
import { HandoffSocket } from "./takeover/handoff_socket.ts";
import { LentListeners } from "./takeover/lent_listeners.ts";
import { commonVersion, type Hello, type Reply, VERSIONS } from "./takeover/messages.ts";
import { TakeoverServer } from "./takeover/takeover_server.ts";
import type { HandoverFacts } from "./upgrade/protocol.ts";

/** Peers that have said nothing yet are few, and soon cut off (see old_side.ts). */
const MAX_PEERS = 8;

interface TakeoverOffersOptions
  extends Pick<RunningContext, "platform" | "config" | "listeners" | "adopter" | "dispatch"> {
  readonly path: string;
  readonly lock: Fd;
  readonly passedOn: ReadonlyMap<string, Fd>;
  readonly logger: Logger;
}

type UpgradeResult = Extract<ServiceEffect, { kind: "upgrade_result" }>;

/** A takeover that the lifecycle was asked for. */
interface PendingTakeover {
  readonly server: TakeoverServer;
  readonly hello: Hello;
  readonly request: number;
}

export class TakeoverOffers {
  readonly socket: HandoffSocket;
  readonly #pending = new Set<PendingTakeover>();
  /** The accepted takeover. */
  #current: PendingTakeover | null = null;
  readonly #servers = new Set<TakeoverServer>();

  constructor(readonly options: TakeoverOffersOptions) {
    const { platform, path } = options;
    this.socket = new HandoffSocket(platform, path, (peer, uid) => this.#onPeer(peer, uid));
  }

  #onPeer(socket: Fd, uid: number): void {
    const { platform, logger, dispatch } = this.options;
    if (this.#servers.size >= MAX_PEERS) return socket.close();
    if (!platform.processes.trustsUser(uid)) return this.#refuse(socket, uid);
    const server: TakeoverServer = new TakeoverServer(platform, socket, {
      requestTakeover: (hello) => {
        const pending = { server, hello, request: nextRequest() };
        this.#pending.add(pending);
        dispatch({ kind: "upgrade_requested", request: pending.request, inPlace: false });
      },
      handOver: () => {
        this.options.adopter.refuseNewMembers();
        const successor = this.#current?.hello.name;
        const isRenamed = successor !== undefined && successor !== this.options.config.name;
        dispatch({ kind: "handed_over", ...isRenamed && { successor } });
      },
      withdraw: (reason) => {
        if (this.#current?.server === server) dispatch({ kind: "upgrade_failed", reason });
      },
      takeBack: () => {
        logger.error("the new baton exited after its takeover");
        dispatch({ kind: "handed_back" });
      },
      stop: () => dispatch({ kind: "stop_requested" }),
      closed: () => void this.#servers.delete(server),
    });
    this.#servers.add(server);
  }

  #refuse(taken: Fd, uid: number): void {
    const { platform: { processes, descriptors }, logger } = this.options;
    using socket = taken;
    const own = processes.userId();
    const reason = `only user ${own} and root may take over, and this is user ${uid}`;
    logger.warn(`takeover refused: ${reason}`);
    descriptors.send(socket, jsonBytes({ kind: "refused", reason } satisfies Reply));
  }

  /** @returns the takeover that one of the lifecycle's `requests` is for; null: they are for an upgrade */
  takeoverFor(requests: readonly number[]): PendingTakeover | null {
    const all = [...this.#pending, this.#current ?? []].flat();
    return all.find(({ request }) => requests.includes(request)) ?? null;
  }

  /** The lifecycle agrees. */
  begin(takeover: PendingTakeover, facts: HandoverFacts): void {
    const { dispatch, logger } = this.options;
    this.#pending.delete(takeover);
    this.#current = takeover;
    const { hello, server } = takeover;
    const reason = "the new baton ended before it served";
    if (server.isClosed) return dispatch({ kind: "upgrade_failed", reason });
    logger.info(`takeover: "${hello.name}" (baton ${hello.baton}) has connected`);
    try {
      this.#accept(takeover, facts);
    } catch (error) {
      server.refuse(errorText(error));
    }
  }

  #accept({ server, hello }: PendingTakeover, facts: HandoverFacts): void {
    const { platform, listeners, lock, passedOn, config: { backlog, survive } } = this.options;
    const lent = new LentListeners(platform, listeners, { epoch: facts.nextEpoch, backlog });
    using network = lent.networkFor(hello.network);
    const { name, epoch, nextEpoch, startedAt, notified, counters } = facts;
    server.accept({
      lent,
      offer: {
        version: commonVersion(VERSIONS, hello.versions) ?? VERSIONS.max,
        baton: facts.batonVersion,
        name,
        network: lent.networkName,
        epoch,
        nextEpoch,
        startedAt,
        notified,
        counters,
        groups: lent.groups.length,
        survives: survive,
        passedOn: [...passedOn.keys()],
      },
      fds: [lock, ...network.descriptors, ...passedOn.values()],
    });
  }

  /** Ends the accepted takeover without a result, if there is one. */
  abort(): void {
    this.#current?.server.lent?.giveUp();
  }

  reportResult(takeover: PendingTakeover, { result, reason }: UpgradeResult): void {
    const { logger } = this.options;
    this.#pending.delete(takeover);
    if (result === "ok") return logger.info("takeover: the new baton serves");
    logger.error(`takeover ${result}: ${reason}`);
    takeover.server.refuse(cutReason(reason ?? result));
    if (this.#current === takeover) this.#current = null;
  }

  /** The new baton has exited, and generation `epoch` serves as before the takeover. */
  takeBack(epoch: number): void {
    this.#current?.server.lent?.takeBack(epoch);
    this.#current = null;
    this.options.adopter.acceptNewMembers();
    this.takePath();
  }

  /** Puts this baton's socket over that of another baton. Never throws: this baton serves already. */
  takePath(): void {
    try {
      this.socket.replace();
    } catch (error) {
      this.options.logger.error(`no baton can take over from this one: ${errorText(error)}`);
    }
  }

  close(): void {
    for (const server of [...this.#servers]) server.close();
    this.socket.close();
  }
}
