/**
 * What is to outlive this baton, and where: keeps a place outside this process up to date.
 *
 * When `keep` returns, what it was given outlives baton. So `keep` comes before whatever it tells of.
 */
import type { Fd } from "../../platform/fd.ts";
import { memberName, type ResumeState } from "./resume_state.ts";

/** A place that outlives baton: a holder (`holder_vault.ts`), or the service manager's store. */
export interface FdStore {
  /** Names of what was there before. */
  readonly foundNames: readonly string[];
  /** What a process that goes on in place of this one must know of it. */
  readonly payload: readonly (readonly [name: string, fd: Fd])[];
  /** Called when all or some of what is in it may be lost. */
  onLost: () => void;
  put(name: string, fd: Fd): void;
  drop(name: string): void;
  /** The state by which a next baton goes on. */
  save(text: string): void;
  /** It is that of the unit: another baton that has the service uses the very same. */
  readonly isOfUnit: boolean;
  /** There is nothing to go on with. */
  end(): void;
}

/** With --survive everything; without it only the spare sockets, so that a restart refuses nobody. */
type KeptState = "everything" | "standby";

export class StateWriter {
  #hasEnded = false;
  /** What the vault has: the number of the descriptor behind each name. */
  readonly #held = new Map<string, number>();
  #standby: ReadonlySet<string> = new Set();

  /** @param onLost everything must be given to it anew */
  constructor(readonly store: FdStore, readonly extent: KeptState, onLost: () => void) {
    for (const name of store.foundNames) this.#held.set(name, NaN);
    store.onLost = () => {
      // It may have some of them all the same: what is not needed any more is dropped by name.
      for (const name of this.#held.keys()) this.#held.set(name, NaN);
      onLost();
    };
  }

  /** Makes the vault have exactly these, and this state. */
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

  /** Another baton has the service, and keeps what it needs itself. */
  handedOver(): void {
    if (!this.store.isOfUnit) return;
    this.#standby = new Set();
    this.end();
  }

  /** The service has ended: only the spares are of use to the next baton, if anything is. */
  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#dropExcept((name) => this.#standby.has(name));
    this.store.end();
  }
}

function standbySocketsOf({ groups }: ResumeState): ReadonlySet<string> {
  const members = groups.flatMap(({ members }) => members);
  const spares = members.filter(({ origin, dead }) => origin === "standby" && !dead);
  return new Set(spares.map(({ inode }) => memberName(inode)));
}
