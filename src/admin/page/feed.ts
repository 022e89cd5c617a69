/**
 * What keeps the page up to date: the summary at each event, and from time to time, as nothing tells of connections that
 * come and go. One request at a time. Nothing is asked for while the page is hidden. Without an answer it tries again,
 * less and less often.
 */
import type { Clock, Timer } from "../../platform/clock.ts";

/** While a generation starts, is on trial, drains or stops. */
const BUSY_MS = 1_000;
const CALM_MS = 3_000;
/** At an event: several come at once. */
const SOON_MS = 150;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 10_000;
/** The browser tries again by itself, except where it was refused. */
const REOPEN_MS = 5_000;

interface Stream {
  close(): void;
}

export interface FeedParts {
  readonly clock: Clock;
  /** Gets the present state, shows it. @returns whether something is under way @throws when there is no answer */
  readonly look: () => Promise<boolean>;
  /** Opens the stream of events. `refused`: it has ended for good */
  readonly open: (on: { event(): void; refused(): void }) => Stream;
  /** The last look had no answer. */
  readonly lost: (error: unknown) => void;
}

export class Feed {
  #timer: Timer | null = null;
  #reopening: Timer | null = null;
  #stream: Stream | null = null;
  #isLooking = false;
  #isDue = false;
  #isAwake = false;
  #retryMs = FIRST_RETRY_MS;

  constructor(readonly parts: FeedParts) {}

  wake(): void {
    if (this.#isAwake) return;
    this.#isAwake = true;
    this.#open();
    void this.#look();
  }

  sleep(): void {
    this.#isAwake = false;
    this.#timer?.cancel();
    this.#reopening?.cancel();
    this.#stream?.close();
    this.#stream = null;
  }

  /** Something has changed. */
  soon(): void {
    this.#isDue = true;
    if (!this.#isLooking) this.#after(SOON_MS);
  }

  #after(delayMs: number): void {
    this.#timer?.cancel();
    if (this.#isAwake) this.#timer = this.parts.clock.after(delayMs, () => void this.#look());
  }

  #open(): void {
    this.#stream?.close();
    this.#stream = this.parts.open({
      event: () => this.soon(),
      refused: () => {
        this.#reopening?.cancel();
        this.#reopening = this.parts.clock.after(REOPEN_MS, () => this.#open());
      },
    });
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#isDue = false;
    this.#timer?.cancel();
    let waitMs: number;
    try {
      waitMs = await this.parts.look() ? BUSY_MS : CALM_MS;
      this.#retryMs = FIRST_RETRY_MS;
    } catch (error) {
      waitMs = this.#retryMs;
      this.#retryMs = Math.min(LONGEST_RETRY_MS, this.#retryMs * 2);
      this.parts.lost(error);
    } finally {
      this.#isLooking = false;
    }
    this.#after(this.#isDue ? SOON_MS : waitMs);
  }
}
