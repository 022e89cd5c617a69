/**
 * Upgrades of baton itself, the old side: what the new baton is given, and what comes of it.
 *
 * While one is under way the groups are frozen: the new baton steers them. If it fails, they thaw and
 * this baton goes on as if nothing had been.
 */
import { rmSync } from "node:fs";
import type { Fd } from "../platform/fd.ts";
import type { Logger } from "../log/logger.ts";
import type { Platform } from "../platform/platform.ts";
import type { Adopter } from "../handoff/adopt.ts";
import type { ServiceEffect, ServiceEvent } from "../lifecycle/vocabulary.ts";
import type { Listeners } from "../steering/listeners.ts";
import { HANDOVER_VERSION, type HandoverState } from "./upgrade/protocol.ts";
import { Successor } from "./upgrade/successor.ts";
import { PendingRequests } from "../report/pending_requests.ts";
import type { Children } from "../process/children.ts";
import type { UpgradeReport } from "../report/snapshot.ts";
import { errorText } from "../platform/error.ts";

/** What the state says besides listeners. */
export type HandoverFacts =
  & Omit<HandoverState, "version" | "pid" | "groups" | "nextEpoch">
  & Required<Pick<HandoverState, "nextEpoch">>;

export interface ChildUpgradeOptions {
  readonly platform: Platform;
  readonly listeners: Listeners;
  readonly adopter: Adopter;
  readonly children: Children;
  /** Program of this baton as it was called, and its arguments up to baton's own. */
  readonly program: string;
  readonly prefix: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly directory: string;
  readonly lock: Fd;
  readonly readyTimeoutMs: number;
  /** Where a generation's NOTIFY_SOCKET is. */
  readonly notifyPath: (epoch: number) => string;
  readonly dispatch: (event: ServiceEvent) => void;
  readonly logger: Logger;
  /** The new baton serves: tell the service manager who is the main process now. */
  readonly onHandedOver: (pid: number) => void;
}

export class ChildUpgrade {
  #successor: Successor | null = null;
  /** The baton that has taken over. */
  #successorPid: number | null = null;
  /** Program of the next upgrade, when another one was asked for. */
  #program: string | null = null;
  readonly #requests: PendingRequests<UpgradeReport>;

  constructor(readonly options: ChildUpgradeOptions) {
    this.#requests = new PendingRequests(options.platform.clock);
  }

  /** @param program null: the program of this baton, as it is on disk now */
  request(program: string | null): { request: number; answer: Promise<UpgradeReport> } {
    this.#program = program;
    return this.#requests.open();
  }

  /** The program that was asked for, once. */
  takeRequestedProgram(): string | null {
    const program = this.#program;
    this.#program = null;
    return program;
  }

  begin(facts: HandoverFacts): void {
    const { platform, listeners, dispatch, logger } = this.options;
    const program = this.takeRequestedProgram() ?? this.options.program;
    try {
      const exported = listeners.groups.map((group) => ({
        group,
        members: group.recordsForAnother,
      }));
      listeners.groups.forEach((group) => group.hold = "order and program");
      const state: HandoverState = {
        ...facts,
        version: HANDOVER_VERSION,
        pid: platform.runtime.pid,
        groups: exported.map(({ group, members }) => ({
          address: group.address,
          members: members.map(({ record }) => record),
        })),
      };
      const successor = new Successor(platform, {
        program,
        prefix: program === this.options.program ? this.options.prefix : [],
        argv: platform.runtime.argv,
        env: this.options.env,
        directory: this.options.directory,
        state,
        lock: this.options.lock,
        members: exported.flatMap(({ members }) => members.map(({ fd }) => fd)),
        readyTimeoutMs: this.options.readyTimeoutMs,
        onServing: () => {
          this.#successorPid = successor.pid;
          this.#successor = null;
          this.options.onHandedOver(successor.pid);
          this.options.adopter.refuseNewMembers();
          dispatch({ kind: "handed_over" });
        },
        onFailed: (reason) => this.#failed(reason),
      });
      this.#successor = successor;
      this.options.children.addHelper(successor.pid);
      logger.info(`upgrade: new baton ${program} starts, pid ${successor.pid}`);
    } catch (error) {
      this.#failed(errorText(error));
    }
  }

  #failed(reason: string): void {
    this.options.dispatch({ kind: "upgrade_failed", reason });
  }

  reportResult(effect: Extract<ServiceEffect, { kind: "upgrade_result" }>): void {
    const { result, reason, requests } = effect;
    this.#requests.answer(requests, { result, reason, pid: this.#successorPid });
    if (result === "ok") return this.options.logger.info("upgrade: the new baton serves");
    this.options.logger.error(`upgrade ${result}: ${reason}`);
  }

  /** Ends the new baton, if it is there, and steers again. */
  abort(): void {
    if (this.#successor !== null) {
      this.#successor.abort();
      // Of its first generation: who was killed has not removed it.
      const { epoch, nextEpoch = epoch + 1 } = this.#successor.options.state;
      rmSync(this.options.notifyPath(nextEpoch), { force: true });
      this.#successor = null;
    }
    for (const group of this.options.listeners.groups) group.thaw();
    this.options.adopter.retryPostponed();
  }
}
