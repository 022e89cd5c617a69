/** Where a state is kept that outlives this instance: systemd's fd store, or a process of our own (`--survive`). */
import type { GuardedPath } from "../../admin/runtime_guard.ts";
import type { Config } from "../../config/config.ts";
import type { Logger } from "../../log/logger.ts";
import { exists } from "../../platform/files/path.ts";
import type { Platform } from "../../platform/platform.ts";
import { FdStoreProcess } from "../../succession/state/fd_store_process.ts";
import { StateWriter } from "../../succession/state/state_writer.ts";
import { FdStore } from "../../systemd/fd_store.ts";
import type { NotifyClient } from "../../systemd/notify_client.ts";

interface StateStorageParts {
  readonly platform: Platform;
  readonly config: Pick<Config, "survive">;
  readonly logger: Logger;
  /** Where the fd store process listens. */
  readonly path: string;
  /** The service manager's fd store, if the unit has one, and the names that it had at the start. */
  readonly managerStore:
    | { readonly client: NotifyClient; readonly found: readonly string[] }
    | null;
  /** The fd store process is a child, but not a server. */
  readonly onStarted: (pid: number) => void;
}

export class StateStorage {
  writer: StateWriter | null = null;
  #managerStore: FdStore | null = null;
  #process: FdStoreProcess | null = null;

  constructor(readonly parts: StateStorageParts) {}

  /**
   * @param replaces another fd store process serves the previous instance until this one has everything
   * @param onLost the store lost its content: everything must be written again
   */
  start(replaces: boolean, onLost: () => void): void {
    const { platform, config, path, logger, managerStore, onStarted } = this.parts;
    if (managerStore !== null) {
      this.#managerStore = new FdStore(platform, managerStore.client, managerStore.found);
      const extent = config.survive ? "everything" : "standby";
      this.writer = new StateWriter(this.#managerStore, extent, onLost);
    } else if (config.survive) {
      this.#process = new FdStoreProcess(platform, { path, isNext: replaces, onStarted });
      this.writer = new StateWriter(this.#process, "everything", () => {
        logger.warn("the fd store process (--survive) exited: another one was started");
        onLost();
      });
    }
  }

  /** This process is the main process of its unit now. */
  becomeMain(): void {
    this.#managerStore?.becomeMain();
  }

  guardedPaths(): GuardedPath[] {
    const [store, { path }] = [this.#process, this.parts];
    return store === null ? [] : [{
      what: "socket of the fd store process (--survive)",
      path,
      isInPlace: () => exists(path),
      restore: () => store.listenAgain(),
    }];
  }
}
