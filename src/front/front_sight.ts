/** What was seen last of the Envoys that read one endpoint file, and what went wrong last: for status and metrics. */
import type { Clock } from "../platform/clock.ts";
import type { EnvoyView, FrontView } from "./front_view.ts";

/** How old a view may be: many may read it, and Envoys are not asked for each. */
const FRESH_MS = 1_000;

export class FrontSight {
  /** The Envoys, as each was at the latest look. */
  #envoys: readonly EnvoyView[] = [];
  #seenAtMs = -Infinity;
  #isLooking = false;
  #lastError: FrontView["lastError"] = null;

  constructor(readonly clock: Clock) {}

  see(envoys: readonly EnvoyView[]): void {
    this.#envoys = envoys;
    this.#seenAtMs = this.clock.now();
  }

  /** These do not answer. */
  miss(silent: readonly EnvoyView[]): void {
    const isSilent = ({ admin }: EnvoyView) => silent.some((each) => each.admin === admin);
    this.see([...this.#envoys.filter((each) => !isSilent(each)), ...silent]);
  }

  noteError(reason: string): void {
    this.#lastError = { reason, at: this.#timeText(this.clock.now()) };
  }

  /** The next view is of now. @param look sees them */
  async refresh(look: () => Promise<unknown>): Promise<void> {
    if (this.#isLooking || this.clock.now() - this.#seenAtMs < FRESH_MS) return;
    this.#isLooking = true;
    await look().finally(() => this.#isLooking = false);
  }

  /** Whether enough Envoys follow the file: one that has acknowledged it may have ended since, or have come back. */
  isFollowed(needed: number): boolean {
    return this.#envoys.filter(({ result }) => result === "follows").length >= needed;
  }

  get view(): Pick<FrontView, "envoys" | "askedAt" | "lastError"> {
    const askedAt = this.#envoys.length === 0 ? null : this.#timeText(this.#seenAtMs);
    return { envoys: this.#envoys, askedAt, lastError: this.#lastError };
  }

  #timeText(atMs: number): string {
    const agoMs = this.clock.now() - atMs;
    return new Date(this.clock.wallMs() - agoMs).toISOString();
  }
}
