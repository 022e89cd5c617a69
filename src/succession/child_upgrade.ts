/**
 * An upgrade by a child, the old side: what the new baton gets, and what becomes of it.
 *
 * While it is running the listener groups are frozen: the new baton steers them. If it fails they thaw, and this baton
 * serves as before.
 */
import { rmSync } from "node:fs";
import { longestStartMs } from "../config/config.ts";
import type { RunningContext } from "../generation/context.ts";
import type { ServiceEffect } from "../lifecycle/vocabulary.ts";
import type { Logger } from "../log/logger.ts";
import { jsonBytes } from "../platform/bytes.ts";
import { errorText } from "../platform/error.ts";
import type { Fd } from "../platform/fd.ts";
import type { HelperProcess } from "../platform/process/helper_process.ts";
import { PendingRequests } from "../report/pending_requests.ts";
import type { UpgradeReport } from "../report/snapshot.ts";
import { recordsForAnother } from "../steering/member.ts";
import { type NewProgram, newProgram } from "./upgrade/new_program.ts";
import { HANDOVER_VERSION, type HandoverFacts, type HandoverState } from "./upgrade/protocol.ts";
import { startSuccessor } from "./upgrade/successor.ts";

type Context = Pick<
  RunningContext,
  "platform" | "config" | "listeners" | "adopter" | "children" | "dispatch"
>;

export interface ChildUpgradeOptions extends NewProgram, Context {
  readonly lock: Fd;
  readonly passedOn: ReadonlyMap<string, Fd>;
  /** Paths of the NOTIFY_SOCKETs of a generation's workers. */
  readonly notifyPaths: (epoch: number) => readonly string[];
  readonly logger: Logger;
  /** The new baton serves: tells the service manager about its new main process. */
  readonly onHandedOver: (pid: number) => void;
}

/** Tells the new baton that from here on it says what happens to the service. */
function sayHandedOver(successor: HelperProcess): void {
  try {
    successor.send(jsonBytes({ kind: "handed_over" }));
  } catch {
    // The new baton has ended, or waits no longer.
  }
}

export class ChildUpgrade {
  /** The new baton, until it serves; null: there is none. */
  #successor: { readonly helper: HelperProcess; readonly nextEpoch: number } | null = null;
  #successorPid: number | null = null;
  /** Program of the next upgrade, if one was named. */
  #program: string | null = null;
  readonly #requests: PendingRequests<UpgradeReport>;

  constructor(readonly options: ChildUpgradeOptions) {
    this.#requests = new PendingRequests(options.platform.clock);
  }

  /** @param program null: this baton's own program, as it is on disk now */
  request(program: string | null): { request: number; answer: Promise<UpgradeReport> } {
    this.#program = program;
    return this.#requests.open();
  }

  takeRequestedProgram(): string | null {
    const program = this.#program;
    this.#program = null;
    return program;
  }

  begin(facts: HandoverFacts): void {
    const { options } = this;
    const { platform, listeners, dispatch, logger } = options;
    const program = newProgram(options, this.takeRequestedProgram());
    try {
      const exported = listeners.groups.map(recordsForAnother);
      for (const group of listeners.groups) group.hold = "order and program";
      const state: HandoverState = {
        ...facts,
        version: HANDOVER_VERSION,
        pid: platform.runtime.pid,
        groups: listeners.groups.map(({ address }, i) => ({
          address,
          members: exported[i]!.map(({ record }) => record),
        })),
        passedOn: [...options.passedOn.keys()],
      };
      const helper = startSuccessor(platform, {
        program,
        state,
        lock: options.lock,
        members: exported.flat().map(({ fd }) => fd),
        passedOn: [...options.passedOn.values()],
        readyTimeoutMs: longestStartMs(options.config),
        onServing: () => {
          this.#successorPid = helper.pid;
          this.#successor = null;
          options.onHandedOver(helper.pid);
          options.adopter.refuseNewMembers();
          dispatch({ kind: "handed_over" });
          sayHandedOver(helper);
        },
        onFailed: (reason) => dispatch({ kind: "upgrade_failed", reason }),
      });
      this.#successor = { helper, nextEpoch: facts.nextEpoch };
      options.children.addHelper(helper.pid);
      logger.info(`upgrade: new baton ${program.program} starts, pid ${helper.pid}`);
    } catch (error) {
      dispatch({ kind: "upgrade_failed", reason: errorText(error) });
    }
  }

  reportResult(effect: Extract<ServiceEffect, { kind: "upgrade_result" }>): void {
    const { result, reason, requests } = effect;
    this.#requests.answer(requests, { result, reason, pid: this.#successorPid });
    if (result === "ok") return this.options.logger.info("upgrade: the new baton serves");
    this.options.logger.error(`upgrade ${result}: ${reason}`);
  }

  /** Kills the new baton if there is one, and steers again. */
  abort(): void {
    if (this.#successor !== null) {
      this.#successor.helper.kill();
      // A baton that is killed does not remove its first generation's sockets.
      for (const path of this.options.notifyPaths(this.#successor.nextEpoch)) {
        rmSync(path, { force: true });
      }
      this.#successor = null;
    }
    for (const group of this.options.listeners.groups) group.thaw();
    this.options.adopter.retryPostponed();
  }
}
