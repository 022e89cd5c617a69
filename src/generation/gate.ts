/**
 * What must have happened before a worker of a candidate may serve. `listen`: one of its processes listens at every
 * address where the serving generation gets connections, except where only another worker of it does ({worker} in the
 * command). `notify`: READY=1 has come. `auto`: `listen`, and `notify` too once the previous generation has sent it;
 * without READY=1 it must have come to rest (rest_watch.ts). In addition, all configured checks must pass.
 */
import type { WorkerHealth } from "./worker_health.ts";
import type { ReadyGate, ReadySpec } from "../config/values/check_spec.ts";
import type { Group } from "../steering/group.ts";
import type { Listeners } from "../steering/listeners.ts";
import { concernsWorker } from "../steering/worker_members.ts";
import { placeOf } from "../steering/unix/moved_path.ts";

/** The part of `--ready` that needs no check. */
export function builtInGate(specs: readonly ReadySpec[]): ReadyGate {
  const kinds = specs.map(({ kind }) => kind);
  return kinds.includes("notify") ? "notify" : kinds.includes("listen") ? "listen" : "auto";
}

export class Gate {
  notified = false;
  /** The worker was seen to wait for connections. */
  isAtRest = false;

  constructor(
    readonly of: { readonly epoch: number; readonly worker: number },
    readonly ready: ReadyGate,
    readonly listeners: Listeners,
    /** The previous generation sent READY=1. */
    readonly wantsNotification: boolean,
    readonly checks: Pick<WorkerHealth, "proves" | "demandsListening" | "missing">,
  ) {}

  /** Addresses of the service at which the worker does not listen. */
  get missing(): readonly Group[] {
    const { listeners, of } = this;
    const { groups } = listeners;
    const needed = groups.filter((each) =>
      listeners.isOfService(each) && concernsWorker(each, of.worker)
    );
    return needed.map((each) => placeOf(groups, each, of.epoch))
      .filter((each) => !isUsed(each, of));
  }

  get listening(): readonly Group[] {
    return this.listeners.groups.filter((group) => isUsed(group, this.of));
  }

  get isListening(): boolean {
    return this.listening.length > 0 && this.missing.length === 0;
  }

  get needsNotification(): boolean {
    return this.ready === "notify" || (this.ready === "auto" && this.wantsNotification);
  }

  /** A server can listen, and answer, before it has passed. */
  get wantsMoreThanListening(): boolean {
    return this.needsNotification || this.checks.missing.length > 0;
  }

  get isPassed(): boolean {
    if (this.needsNotification && !this.notified || this.checks.missing.length > 0) return false;
    // READY=1 or a check proves that it accepts: baton need not see a socket that it passed on in use. Not every
    // way to wait for connections can be seen from outside (select, io_uring).
    if (this.#isProvenOtherwise) {
      const { epoch, worker } = this.of;
      return this.missing.every((group) => group.membersOf(epoch, worker).length > 0);
    }
    return this.isListening && !this.lacksRest;
  }

  get #isProvenOtherwise(): boolean {
    const { proves, demandsListening } = this.checks;
    return (this.ready === "notify" || proves) && !demandsListening;
  }

  /** The worker listens, and was not seen to wait for connections. (READY=1 or a check says more than that would.) */
  get lacksRest(): boolean {
    const isNeeded = this.ready === "auto" && !this.needsNotification && !this.notified;
    return isNeeded && !this.isAtRest && this.isListening && !this.#isProvenOtherwise;
  }

  /** Addresses where the worker listened, and no process of it has a listener any more. */
  get closed(): readonly Group[] {
    const { epoch, worker } = this.of;
    return this.listeners.groups.filter((group) =>
      !isUsed(group, this.of) &&
      group.membersOf(epoch, worker).some(({ owner, unheld }) => owner !== 0 && unheld)
    );
  }

  timeoutReason(readyTimeoutMs: number, hints: readonly string[]): string {
    const reasons = [this.explanation, ...hints].join("; ");
    return `not ready within ${readyTimeoutMs / 1000} s: ${reasons}`;
  }

  /** What is still missing, in words. */
  get explanation(): string {
    const parts: string[] = [];
    const { closed } = this;
    const isMissing = (group: Group) => !closed.includes(group);
    const missing = this.missing.filter(isMissing).map((group) => group.text);
    const listening = this.listening.map((group) => group.text);
    if (closed.length > 0) parts.push(closedText(closed));
    if (missing.length > 0) parts.push(`it does not listen at ${missing.join(", ")}`);
    else if (listening.length + closed.length === 0 && !this.#isProvenOtherwise) {
      parts.push("it does not listen");
    }
    if (missing.length > 0 && listening.length > 0) {
      parts.push(`it listens at ${listening.join(", ")}`);
    }
    if (this.lacksRest) {
      parts.push(`it listens at ${listening.join(", ")}, and does not wait for connections there`);
    }
    if (this.needsNotification && !this.notified) parts.push("it has not sent READY=1");
    parts.push(...this.checks.missing);
    return parts.join("; ");
  }
}

export function closedText(groups: readonly Group[]): string {
  // After a shutdown(2) no address is known any more.
  const where = groups.length === 0 ? "" : ` at ${groups.map(({ text }) => text).join(", ")}`;
  return `it has closed its listener${where} and not ended`;
}

/** A process of the worker accepts there; a socket that baton made and no process uses is not enough. */
function isUsed(group: Group, { epoch, worker }: Gate["of"]): boolean {
  return group.membersOf(epoch, worker).some((member) => member.owner !== 0 && !member.unheld);
}
