/**
 * What an old baton leaves to its successor when it is killed during an upgrade: everything in its fd-store process
 * with --survive, and at least the process of its server with --orphan keep.
 *
 * The fd-store process answers when its baton has exited. The successor starts one of its own at the same path when it
 * takes the names, so it queues up at the old one before: queued clients are answered even after the path was rebound.
 */
import type { Fd } from "../../platform/fd.ts";
import type { Platform } from "../../platform/platform.ts";
import { isRunning } from "../../platform/process/proc.ts";
import {
  claimRecoveredState,
  connectToFdStore,
  receiveAll,
  type RecoveredState,
} from "../state/recovered_state.ts";
import type { HandoverState } from "./protocol.ts";
import { type GenerationRecord, NO_FACTS, NO_WORKER_FACTS } from "../state/resume_state.ts";

export class PredecessorRecovery {
  #queued: Fd | null = null;

  /** @param path of the old baton's fd-store process. @param state null: its processes are unknown here */
  constructor(
    readonly platform: Platform,
    readonly path: string,
    readonly state: HandoverState | null,
  ) {}

  /** Must be called before the switch. */
  queueUp(): void {
    try {
      this.#queued ??= connectToFdStore(this.platform, this.path);
    } catch {
      // As without --survive.
    }
  }

  /** The old baton has exited. @returns null when it has left no fd-store process */
  claim(): RecoveredState | null {
    if (this.#queued === null) return claimRecoveredState(this.platform, this.path);
    const found = receiveAll(this.platform, this.#queued);
    if (found === null) this.close();
    return found;
  }

  /** What served when the upgrade began; null when it has exited, or is about to. */
  survivor(): GenerationRecord | null {
    if (this.state === null) return null;
    const { survivors, epoch, startedAt, notified } = this.state;
    const alive = survivors.filter(({ pid, startTime }) => isRunning(pid, startTime));
    if (alive.length === 0) return null;
    const own = { startedAt, notified, restarts: 0, exitStatus: null };
    return {
      ...NO_FACTS,
      epoch,
      startedAt,
      replaces: null,
      wantsNotification: false,
      hints: [],
      size: Math.max(...alive.map(({ number }) => number)) + 1,
      workers: alive.map((each) => ({ ...NO_WORKER_FACTS, ...own, ...each })),
    };
  }

  /** Nothing is left, or needed. */
  close(): void {
    this.#queued?.close();
    this.#queued = null;
  }
}
