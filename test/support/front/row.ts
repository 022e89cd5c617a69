/** A line of `[front]`, and what requests see of it. */
import { waitUntil } from "../wait_until.ts";
import type { Endpoint, Place, Prepared } from "./front_trial.ts";

export interface Row {
  /** The line; empty for one that `removed` takes out of what is written. */
  readonly line: string;
  /** What stands in its place when it is taken out. */
  readonly instead?: string;
  /** Lines that are there in both. */
  readonly rest?: string;
  /** A key of Envoy's that is always written, and is taken out of that. */
  readonly removed?: string;
  /** Whether it takes too long for `make test`. */
  readonly isSlow?: true;
  /** Its endpoints, when they are not just its servers. */
  readonly prepare?: (parts: Prepared) => Promise<readonly Endpoint[]>;
  /** Its endpoints change while it runs. Each such file takes Envoy an inotify instance, of which a user has 128. */
  readonly isWatched?: true;
  /** @default 1 */
  readonly servers?: number;
  readonly look: (place: Place, twin: Promise<unknown> | null) => Promise<unknown>;
  readonly seen: { readonly with: unknown; readonly without: unknown };
}

/** With the line (`twin` is null) waits until it has happened; without, looks when it has happened with it. */
export async function happens(
  twin: Promise<unknown> | null,
  what: string,
  condition: () => boolean | Promise<boolean>,
): Promise<boolean> {
  if (twin === null) return await waitUntil(condition, { what });
  await twin;
  return await condition();
}
