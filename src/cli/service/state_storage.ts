/** Where a state is kept that outlives this instance: systemd's fd store, or a process of our own (`--survive`). */
import type { GuardedPath } from "../../admin/runtime_guard.ts";
import { exists } from "../../platform/files/path.ts";
import { FdStoreProcess } from "../../succession/state/fd_store_process.ts";
import { StateWriter } from "../../succession/state/state_writer.ts";
import { FdStore } from "../../systemd/fd_store.ts";
import type { NotifyClient } from "../../systemd/notify_client.ts";
import type { ServiceSetup } from "./service_setup.ts";

interface StorageEvents {
  /** The fd store process is a child, but not a server. */
  onStarted(pid: number): void;
  /** The store has lost its content: everything must be written again. */
  onLost(): void;
}

export class StateStorage {
  writer: StateWriter | null = null;
  #managerStore: FdStore | null = null;
  #process: FdStoreProcess | null = null;

  /** @param manager the service manager's fd store, if the unit has one, and the names that it had at the start */
  constructor(
    readonly setup: ServiceSetup,
    readonly manager: { readonly client: NotifyClient; readonly found: readonly string[] } | null,
    readonly events: StorageEvents,
  ) {}

  /** @param isNext another fd store process serves the previous instance until this one has everything */
  start(isNext: boolean): void {
    const { setup: { platform, config, logger, paths }, manager, events } = this;
    if (manager !== null) {
      this.#managerStore = new FdStore(platform, manager.client);
      const extent = config.survive ? "everything" : "standby";
      this.writer = new StateWriter(this.#managerStore, extent, manager.found);
    } else if (config.survive) {
      const onLost = () => {
        logger.warn("the fd store process (--survive) exited: another one was started");
        writer.onLost();
        events.onLost();
      };
      const { onStarted } = events;
      const options = { path: paths.hold, isNext, onStarted, onLost };
      this.#process = new FdStoreProcess(platform, options);
      const writer = new StateWriter(this.#process, "everything");
      this.writer = writer;
    }
  }

  /** This process has become the main one of its unit: the manager may have ignored what it stored before. */
  becomeMain(): void {
    if (this.#managerStore === null) return;
    this.#managerStore.dropState();
    this.writer?.onLost();
    this.events.onLost();
  }

  guardedPaths(): GuardedPath[] {
    const store = this.#process;
    const path = this.setup.paths.hold;
    return store === null ? [] : [{
      what: "socket of the fd store process (--survive)",
      path,
      isInPlace: () => exists(path),
      restore: () => store.listenAgain(),
    }];
  }
}
