/**
 * Finds a candidate that has the listeners of the generation that it is to replace: its server passes them to its
 * successor itself (SCM_RIGHTS, an inherited descriptor), behind baton's back. It would never open listeners of its own,
 * while the other one closes, or ignores, those that both have. It fails at once, before it can tell the other to do so.
 *
 * A listen(2) on such a socket is trapped. Without one the descriptors are read, at growing intervals from FIRST_LOOK_MS
 * on, when most candidates have passed their gate. What is open at two looks in a row is in use: HAProxy closes at once
 * what it does not need.
 */
import { ownHandoffCure } from "../../config/servers/own_handoff.ts";
import {
  describePassed,
  type OthersListener,
  type PassedListener,
  passedListeners,
} from "../../inspect/passed_listeners.ts";
import type { Clock, Timer } from "../../platform/clock.ts";
import type { Listeners } from "../../steering/listeners.ts";

const FIRST_LOOK_MS = 100;
/** From the look that finds one to the look that confirms it. */
const CONFIRM_MS = 20;
const LONGEST_PAUSE_MS = 2_000;

interface PassedSocketsOptions {
  readonly clock: Clock;
  /** Listeners that the candidate can only have got from another generation. */
  readonly others: () => readonly OthersListener[];
  readonly processes: () => readonly number[];
  /** Whether the candidate has yet to pass its gate. */
  readonly isPending: () => boolean;
  /** How many connections the candidate has accepted: they end with it. */
  readonly accepted: () => number;
  /** The server's program, as its command line names it. */
  readonly program: string;
  readonly fail: (reason: string) => void;
}

export class PassedSockets {
  /** Whether the candidate has had listeners of another generation. */
  wereFound = false;
  /** Connections that it had accepted from them. */
  #cut = 0;
  #timer: Timer | null = null;
  #suspect: ReadonlySet<number> = new Set();

  constructor(
    readonly options: PassedSocketsOptions,
    readonly find: typeof passedListeners = passedListeners,
  ) {}

  begin(): void {
    // The first call notes what is open now: the other generation may be told to close it before the first look.
    this.options.others();
    this.#lookAfter(FIRST_LOOK_MS, FIRST_LOOK_MS);
  }

  end(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #lookAfter(delayMs: number, pauseMs: number): void {
    this.#timer = this.options.clock.after(delayMs, () => {
      this.#timer = null;
      if (!this.options.isPending()) return;
      const found = this.find(this.options.others(), this.options.processes());
      const still = found.filter(({ inode }) => this.#suspect.has(inode));
      if (still.length > 0) return this.#fail(found);
      this.#suspect = new Set(found.map(({ inode }) => inode));
      const nextMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      this.#lookAfter(found.length > 0 ? CONFIRM_MS : pauseMs, nextMs);
    });
  }

  /** A process of the candidate calls listen(2) on `inode`. @returns whether the candidate has failed with that */
  refuses(inode: number): boolean {
    if (!this.options.isPending()) return false;
    const others = this.options.others();
    if (!others.some((each) => each.inode === inode)) return false;
    this.#fail(this.find(others, this.options.processes()));
    return true;
  }

  /** What has ended with it, as a part of a sentence; null: nothing. */
  get loss(): string | null {
    if (this.#cut === 0) return null;
    const what = this.#cut === 1 ? "one connection" : `${this.#cut} connections`;
    return `${what} that the failed one had accepted at its socket ended with that`;
  }

  /** @param what shows that the server hands over by itself */
  onOwnHandoff(program: string, what: string): void {
    this.end();
    if (this.options.isPending()) this.options.fail(`${what}: ${ownHandoffCure([program])}`);
  }

  #fail(found: readonly PassedListener[]): void {
    this.end();
    this.wereFound = true;
    this.#cut = this.options.accepted();
    const programs = [...found.map(({ program }) => program), this.options.program];
    const what = found.length === 0
      ? "it listens on another generation's own socket"
      : describePassed(found);
    this.options.fail(
      `${what}, passed to it behind baton's back: ${ownHandoffCure(programs)}`,
    );
  }
}

/**
 * Listeners that a candidate can only have got from another generation, with those that were closed since the first call: a
 * process that has one open got it before that. Those of baton's making are passed on purpose, and what waits for a
 * replacement is the replacement's.
 */
export function othersSinceNow(
  listeners: Pick<Listeners, "groups">,
  epoch: number,
  replacementOf: () => number | null,
): () => OthersListener[] {
  const known = new Map<number, OthersListener>();
  return () => {
    const replaced = replacementOf();
    const own = new Set<number>();
    for (const { members, text: address } of listeners.groups) {
      for (const { inode, epoch: its, origin, owner } of members) {
        if (its === epoch || its === replaced) own.add(inode);
        else if (its >= 0 && origin === null && owner !== 0) {
          known.set(inode, { inode, epoch: its, address });
        }
      }
    }
    // The queue of a deaf generation is given to its replacement.
    return [...known.values()].filter((each) => each.epoch !== replaced && !own.has(each.inode));
  };
}
