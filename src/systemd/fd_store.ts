/**
 * The service manager's store of descriptors: FDSTORE=1 of sd_notify(3), FileDescriptorStoreMax= of
 * systemd.service(5). What is in it outlives this process, and is passed to the next one that the manager
 * starts for this unit: after a crash, and after a restart.
 *
 * The manager never says whether it has taken a descriptor, and forgets them silently when there is no room;
 * but it works on messages in their order, also those of a process that has been killed meanwhile. Only the
 * main process of a unit is believed (NotifyAccess=main).
 */
import type { Fd } from "../platform/fd.ts";
import { monotonicMicroseconds } from "../platform/clock.ts";
import type { Platform } from "../platform/platform.ts";
import type { NotifyClient } from "./notify_client.ts";
import { newestOf, readSlots, SlotFile } from "./slot_file.ts";

/** Before the name of each descriptor of ours: others in the unit are not. */
const PREFIX = "baton ";
const STATE = "state ";

/** What this process was started with. */
interface StoredDescriptors {
  readonly fds: ReadonlyMap<string, Fd>;
  /** The last state that was written down. */
  readonly state: string | null;
}

/**
 * @param env the variable is set by systemd 254 and later, and by the unit for older ones
 * @returns how many descriptors the unit may store
 */
export function fdStoreSize(env: Readonly<Record<string, string>>): number {
  const size = env["FDSTORE"] ?? "";
  return env["NOTIFY_SOCKET"] !== undefined && /^\d{1,9}$/.test(size) ? Number(size) : 0;
}

/** Tells stored descriptors from the sockets of a socket unit. @returns null for those */
export function storedName(name: string): string | null {
  return name.startsWith(PREFIX) ? name.slice(PREFIX.length) : null;
}

/** @param fds by name, without the prefix; the files of the state are closed */
export function understandStored(fds: ReadonlyMap<string, Fd>): StoredDescriptors {
  const others = new Map(fds);
  const states = [...fds].filter(([name]) => name.startsWith(STATE)).map(([name, fd]) => {
    others.delete(name);
    using file = fd;
    return readSlots(file);
  });
  const newest = newestOf(states);
  return { fds: others, state: newest === null || newest.text === "" ? null : newest.text };
}

export class FdStore {
  readonly isOfUnit = true;
  onLost: () => void = () => {};
  #state: { readonly name: string; readonly file: SlotFile } | null = null;

  /** @param foundNames names of what is stored already, without the prefix */
  constructor(
    readonly platform: Platform,
    readonly client: NotifyClient,
    readonly foundNames: readonly string[],
  ) {}

  put(name: string, fd: Fd): void {
    this.client.store(PREFIX + name, fd);
  }

  drop(name: string): void {
    this.client.unstore(PREFIX + name);
  }

  /** Writes down the state: no message is needed once the manager has its file. */
  save(text: string): void {
    if (this.#state !== null) return this.#state.file.write(text);
    const now = Number(monotonicMicroseconds(this.platform.libc));
    const file = new SlotFile(this.platform, now);
    file.write(text);
    const name = `${STATE}${now}`;
    this.put(name, file.fd);
    this.#state = { name, file };
  }

  /** The file of the state, for a process that goes on in place of this one. */
  get payload(): readonly (readonly [name: string, fd: Fd])[] {
    return this.#state === null ? [] : [[this.#state.name, this.#state.file.fd]];
  }

  /** This process has become the main one of its unit: what it put before may not have been taken. */
  becomeMain(): void {
    this.#dropState();
    this.onLost();
  }

  #dropState(): void {
    if (this.#state === null) return;
    this.drop(this.#state.name);
    this.#state.file.fd.close();
    this.#state = null;
  }

  /** There is no state to go on with any more. */
  end(): void {
    // For a manager that does not believe this process any more.
    this.#state?.file.write("");
    this.#dropState();
  }
}
