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
  /** The store lost its content: everything must be written again. */
  readonly onLost: () => void;
}

export class StateStorage {
  writer: StateWriter | null = null;
  #managerStore: FdStore | null = null;
  #process: FdStoreProcess | null = null;

  constructor(readonly parts: StateStorageParts) {}

  /** @param replaces another fd store process serves the previous instance until this one has everything */
  start(replaces: boolean): void {
    const { platform, config, path, logger, managerStore, onStarted, onLost } = this.parts;
    if (managerStore !== null) {
      this.#managerStore = new FdStore(platform, managerStore.client);
      const extent = config.survive ? "everything" : "standby";
      this.writer = new StateWriter(this.#managerStore, extent, managerStore.found);
    } else if (config.survive) {
      const onExited = () => {
        logger.warn("the fd store process (--survive) exited: another one was started");
        writer.onLost();
        onLost();
      };
      this.#process = new FdStoreProcess(platform, {
        path,
        isNext: replaces,
        onStarted,
        onLost: onExited,
      });
      const writer = new StateWriter(this.#process, "everything");
      this.writer = writer;
    }
  }

  /** This process has become the main one of its unit: the manager may have ignored what it stored before. */
  becomeMain(): void {
    if (this.#managerStore === null) return;
    this.#managerStore.dropState();
    this.writer?.onLost();
    this.parts.onLost();
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
