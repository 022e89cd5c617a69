/** What follows from one try to deliver an event. Pure. */

const FIRST_DELAY_MS = 1_000;
const LONGEST_DELAY_MS = 30_000;
/** An event that could not be delivered in this time is dropped: others wait for it. */
const DEADLINE_MS = 300_000;

export type Outcome =
  | { readonly kind: "done" }
  /** `afterMs`: as the receiver has asked. */
  | { readonly kind: "retry"; readonly why: string; readonly afterMs?: number }
  /** Another try would end in the same way. */
  | { readonly kind: "refused"; readonly why: string };

type Next =
  | { readonly kind: "done" }
  | { readonly kind: "again"; readonly afterMs: number; readonly why: string }
  | { readonly kind: "given up"; readonly why: string };

/** @param tries how often it was tried @param spentMs since the first try */
export function nextTry(outcome: Outcome, tries: number, spentMs: number): Next {
  switch (outcome.kind) {
    case "done":
      return outcome;
    case "refused":
      return { kind: "given up", why: outcome.why };
    case "retry": {
      const ownMs = Math.min(FIRST_DELAY_MS * 2 ** (tries - 1), LONGEST_DELAY_MS);
      const afterMs = Math.max(ownMs, outcome.afterMs ?? 0);
      if (spentMs + afterMs <= DEADLINE_MS) return { kind: "again", afterMs, why: outcome.why };
      const times = tries === 1 ? "1 try" : `${tries} tries`;
      return { kind: "given up", why: `${outcome.why} (${times})` };
    }
  }
}
