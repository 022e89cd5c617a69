/** Looks again and again whether a child is LIVE, until it is, or the time is over. */
import type { Clock, Timer } from "../platform/clock.ts";
import type { Seen } from "./envoy_memory.ts";
import { formatDuration } from "../config/values/duration.ts";
import type { GuardedEvent } from "./guarded_state.ts";

/** Pause between two looks: Envoy's own part of a start takes 40 ms and more. */
const LOOK_MS = 50;
/** An Envoy whose workers have other names is LIVE when the mark is gone for so long, in milliseconds. */
const QUIET_MS = 2_000;

interface LiveWatchOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly look: (pid: number) => Seen;
  readonly onEvent: (event: GuardedEvent) => void;
}

interface Watch {
  readonly pid: number;
  readonly endMs: number;
  readonly quietSinceMs: number | null;
  readonly isOverdue: boolean;
}

export class LiveWatch {
  #timer: Timer | null = null;

  constructor(readonly options: LiveWatchOptions) {}

  /** Watches this child, instead of another one. */
  start(pid: number): void {
    this.stop();
    const endMs = this.options.clock.now() + this.options.timeoutMs;
    this.#lookSoon({ pid, endMs, quietSinceMs: null, isOverdue: false });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #lookSoon(watch: Watch): void {
    this.#timer = this.options.clock.after(LOOK_MS, () => this.#look(watch));
  }

  #look(watch: Watch): void {
    const { clock, look, onEvent, timeoutMs } = this.options;
    const { pid, endMs } = watch;
    const seen = look(pid);
    if (seen.kind === "unseen" || seen.kind === "apart") {
      return onEvent({ kind: seen.kind, pid, text: seen.why });
    }
    const nowMs = clock.now();
    const quietSinceMs = seen.kind === "quiet" ? watch.quietSinceMs ?? nowMs : null;
    if (seen.kind === "live" || quietSinceMs !== null && nowMs - quietSinceMs >= QUIET_MS) {
      return onEvent({ kind: "live", pid });
    }
    const isOverdue = nowMs >= endMs;
    // A child that is late may still become LIVE, where it is left alone.
    this.#lookSoon({ ...watch, quietSinceMs, isOverdue });
    if (!isOverdue || watch.isOverdue) return;
    const text = `after ${formatDuration(timeoutMs)}`;
    const isEnvoy = seen.kind !== "none";
    const why = isEnvoy
      ? "it still initializes"
      : "it has no memory of Envoy's hot restart: is it Envoy, and without --disable-hot-restart?";
    onEvent({ kind: "overdue", pid, text: `${text} (${why})`, isEnvoy });
  }
}
