/** Keeps a place outside this process up to date with everything that must outlive it. */
import type { Fd } from "../../platform/fd.ts";
import type { ResumeState } from "./resume_state.ts";
import { descriptorName } from "./resumption.ts";

/** An fd-store process (`fd_store_process.ts`), or the service manager's store. */
export interface FdStore {
  /** Its descriptors, for the program that replaces this one by an exec. */
  readonly payload: readonly (readonly [name: string, fd: Fd])[];
  put(name: string, fd: Fd): void;
  drop(name: string): void;
  /** The state from which the next instance continues. */
  save(text: string): void;
  /** Whether it belongs to the unit: another baton that takes over uses the same one. */
  readonly isOfUnit: boolean;
  /** Nothing remains to continue with. */
  end(): void;
}

export class StateWriter {
  #hasEnded = false;
  /** What the store has: the number of the descriptor behind each name. */
  readonly #held: Map<string, number>;
  #standby: ReadonlySet<string> = new Set();

  /**
   * @param extent everything with --survive; without it only the standby sockets, so that a restart refuses no client
   * @param foundNames what the store had before
   */
  constructor(
    readonly store: FdStore,
    readonly extent: "everything" | "standby",
    foundNames: readonly string[] = [],
  ) {
    this.#held = new Map(foundNames.map((name) => [name, NaN]));
  }

  /** The store may have lost something: `keep` gives it everything again, and drops by name what is not needed. */
  onLost(): void {
    for (const name of this.#held.keys()) this.#held.set(name, NaN);
  }

  /** Makes the store hold exactly these, and this state: all of it outlives baton from here on. */
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
  return new Set(standby.map(({ inode }) => descriptorName.member(inode)));
}
