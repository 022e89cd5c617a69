/**
 * Keeps a place outside this process up to date with everything that must outlive it.
 *
 * When `keep` returns, its arguments outlive baton. So `keep` comes before the step that they describe.
 */
import type { Fd } from "../../platform/fd.ts";
import { memberName, type ResumeState } from "./resume_state.ts";

/** A place that outlives baton: an fd-store process (`fd_store_process.ts`), or the service manager's store. */
export interface FdStore {
  /** Names of what was there before. */
  readonly foundNames: readonly string[];
  /** Descriptors that a program needs which replaces this one by an exec. */
  readonly payload: readonly (readonly [name: string, fd: Fd])[];
  /** @param onLost called when some of its contents may be lost */
  whenLost(onLost: () => void): void;
  put(name: string, fd: Fd): void;
  drop(name: string): void;
  /** The state from which the next instance continues. */
  save(text: string): void;
  /** It belongs to the unit: another baton that takes over uses the same one. */
  readonly isOfUnit: boolean;
  /** Nothing remains to continue with. */
  end(): void;
}

/** Everything with --survive; without it only the standby sockets, so that a restart refuses no client. */
type KeptState = "everything" | "standby";

export class StateWriter {
  #hasEnded = false;
  /** What the store has: the number of the descriptor behind each name. */
  readonly #held = new Map<string, number>();
  #standby: ReadonlySet<string> = new Set();

  /** @param onLost everything must be given to it again */
  constructor(readonly store: FdStore, readonly extent: KeptState, onLost: () => void) {
    for (const name of store.foundNames) this.#held.set(name, NaN);
    store.whenLost(() => {
      // It may still have some of them: those that are not needed any more are dropped by name.
      for (const name of this.#held.keys()) this.#held.set(name, NaN);
      onLost();
    });
  }

  /** Makes the store hold exactly these, and this state. */
  keep(descriptors: ReadonlyMap<string, Fd>, state: ResumeState): void {
    if (this.#hasEnded) return;
    this.#standby = standbySocketsOf(state);
    const isKept = (name: string) => this.extent === "everything" || this.#standby.has(name);
    for (const [name, fd] of descriptors) {
      if (!isKept(name) || this.#held.get(name) === fd.number) continue;
      this.store.put(name, fd);
      this.#held.set(name, fd.number);
    }
    if (this.extent === "everything") this.store.save(JSON.stringify(state));
    this.#dropExcept((name) => descriptors.has(name) && isKept(name));
  }

  #dropExcept(stays: (name: string) => boolean): void {
    for (const name of [...this.#held.keys()].filter((name) => !stays(name))) {
      this.store.drop(name);
      this.#held.delete(name);
    }
  }

  /** Another baton has taken over, and keeps what it needs itself. */
  handedOver(): void {
    if (!this.store.isOfUnit) return;
    this.#standby = new Set();
    this.end();
  }

  /** The service has ended: only the standby sockets may be of use to the next instance. */
  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#dropExcept((name) => this.#standby.has(name));
    this.store.end();
  }
}

function standbySocketsOf({ groups }: ResumeState): ReadonlySet<string> {
  const members = groups.flatMap(({ members }) => members);
  const standby = members.filter(({ origin, dead }) => origin === "standby" && !dead);
  return new Set(standby.map(({ inode }) => memberName(inode)));
}
