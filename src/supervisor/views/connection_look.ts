/** The connections of all generations at one look, which all readers share until the next one is due (report/look_pace.ts). */
import { type ConnectionCounts, NO_CONNECTIONS } from "../../drain/connections.ts";
import { isLookDue, type Look } from "../../report/look_pace.ts";
import type { Clock } from "../../platform/clock.ts";
import { errorText } from "../../platform/error.ts";

/** What is seen of one generation. */
export interface Seen {
  readonly connections: ConnectionCounts;
  readonly queue: number;
}

export const NOTHING_SEEN: Seen = { connections: NO_CONNECTIONS, queue: 0 };

export class ConnectionLook {
  #latest: Look | null = null;
  #seen: ReadonlyMap<number, Seen> = new Map();

  constructor(
    readonly clock: Clock,
    /** By epoch. */
    readonly look: () => ReadonlyMap<number, Seen>,
    readonly log: (message: string) => void,
  ) {}

  /** @returns by epoch; ageMs null: the kernel's table could never be read */
  read(): { readonly seen: ReadonlyMap<number, Seen>; readonly ageMs: number | null } {
    const { clock } = this;
    const beganAtMs = clock.now();
    if (isLookDue(this.#latest, beganAtMs)) {
      try {
        this.#seen = this.look();
        this.#latest = { beganAtMs, tookMs: clock.now() - beganAtMs };
      } catch (error) {
        // The look may fail, for lack of descriptors for one: what was seen before is shown, with its age.
        this.log(`cannot look at the connections: ${errorText(error)}`);
      }
    }
    const ageMs = this.#latest === null ? null : Math.round(clock.now() - this.#latest.beganAtMs);
    return { seen: this.#seen, ageMs };
  }
}
