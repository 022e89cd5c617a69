/**
 * What the old baton of an upgrade leaves if it is killed in the middle of it, as its successor gets it:
 * from its holder with --survive, and at least the process of its server with --orphan keep.
 *
 * The holder answers when its baton has ended. The successor replaces it by its own when it takes the
 * names, so it queues up before that: who is in the queue is answered, wherever the path leads by then.
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
import { type GenerationRecord, NO_FACTS } from "../state/resume_state.ts";

export class PredecessorRecovery {
  #queued: Fd | null = null;

  /**
   * @param path where the holder of the old baton is, if it has one
   * @param state null: its processes are not known here
   */
  constructor(
    readonly platform: Platform,
    readonly path: string,
    readonly state: HandoverState | null,
  ) {}

  /** To be called before the switch. */
  queueUp(): void {
    try {
      this.#queued ??= connectToFdStore(this.platform, this.path);
    } catch {
      // Going on without it is what happens without --survive.
    }
  }

  /** The old baton has ended. @returns null when it has left no holder */
  claim(): RecoveredState | null {
    if (this.#queued === null) return claimRecoveredState(this.platform, this.path);
    const found = receiveAll(this.platform, this.#queued);
    if (found === null) this.close();
    return found;
  }

  /** The server that served when the upgrade began; null when it has ended, or is about to. */
  survivor(): GenerationRecord | null {
    if (this.state === null) return null;
    const { survivor, epoch, startedAt, notified } = this.state;
    if (!survivor || !isRunning(survivor.pid, survivor.startTime)) return null;
    return {
      ...NO_FACTS,
      ...survivor,
      epoch,
      startedAt,
      notified,
      replaces: null,
      wantsNotification: false,
      exitStatus: null,
      hints: [],
    };
  }

  /** Nothing is left, or nothing is wanted. */
  close(): void {
    this.#queued?.close();
    this.#queued = null;
  }
}
