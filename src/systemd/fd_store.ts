/**
 * The service manager's store of descriptors: FDSTORE=1 of sd_notify(3), FileDescriptorStoreMax= of
 * systemd.service(5). Stored descriptors outlive this process, and the manager passes them to the next
 * process of this unit, after a crash and after a restart.
 *
 * The manager never confirms a descriptor, and drops it silently when there is no room; but it handles messages in
 * order, even those of a process that has been killed meanwhile. It accepts them only from the main process of the
 * unit (NotifyAccess=main).
 */
import type { Fd } from "../platform/fd.ts";
import { monotonicMicroseconds } from "../platform/clock.ts";
import type { Platform } from "../platform/platform.ts";
import type { NotifyClient } from "./notify_client.ts";
import { newestOf, readSlots, SlotFile } from "./slot_file.ts";

/** Prefix of the names of baton's descriptors; the unit may store others. */
const PREFIX = "baton ";
const STATE = "state ";

/**
 * @param env the variable is set by systemd 254 and later, and by the unit for older ones
 * @returns how many descriptors the unit may store
 */
export function fdStoreSize(env: Readonly<Record<string, string>>): number {
  const size = env["FDSTORE"] ?? "";
  return env["NOTIFY_SOCKET"] !== undefined && /^\d{1,9}$/.test(size) ? Number(size) : 0;
}

/** @returns the name under which baton stored a descriptor; null for the sockets of a socket unit */
export function storedName(name: string): string | null {
  return name.startsWith(PREFIX) ? name.slice(PREFIX.length) : null;
}

/**
 * @param stored by name, without the prefix; the files of the state are closed
 * @returns the other descriptors, and the last state that was written down
 */
export function understandStored(stored: ReadonlyMap<string, Fd>) {
  const fds = new Map(stored);
  const states = [...stored].filter(([name]) => name.startsWith(STATE)).map(([name, fd]) => {
    fds.delete(name);
    using file = fd;
    return readSlots(file);
  });
  return { fds, state: newestOf(states)?.text || null };
}

export class FdStore {
  readonly isOfUnit = true;
  #state: { readonly name: string; readonly file: SlotFile } | null = null;

  constructor(readonly platform: Platform, readonly client: NotifyClient) {}

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

  /** The file of the state, for the program that replaces this one in place. */
  get payload(): readonly (readonly [name: string, fd: Fd])[] {
    return this.#state === null ? [] : [[this.#state.name, this.#state.file.fd]];
  }

  /** Lets go of the state's file: the next `save` writes one of its own. */
  dropState(): void {
    if (this.#state === null) return;
    this.drop(this.#state.name);
    this.#state.file.fd.close();
    this.#state = null;
  }

  /** Drops the state: there is nothing left to recover. */
  end(): void {
    // In case the manager does not accept messages from this process any more.
    this.#state?.file.write("");
    this.dropState();
  }
}
