/**
 * What the world knows a baton by: its control socket, pidfile and probe port, and its holder (`--survive`).
 *
 * A baton that starts opens them all before anything else, and is refused where it cannot have one. A
 * successor takes them when its generation serves, and gives them back when it does not after all: the
 * control socket first, so that whatever cannot be taken then, somebody can be talked to.
 */
import { controlApp } from "../admin/app.ts";
import { ControlServer } from "../admin/control_server.ts";
import type { ServicePaths } from "../admin/paths.ts";
import type { ProbeServer } from "../admin/probe_server.ts";
import type { Config } from "../config/config.ts";
import type { Logger } from "../log/logger.ts";
import type { InetAddress } from "../platform/address.ts";
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";
import { exists } from "../platform/path.ts";
import type { GracefulService } from "../supervisor/graceful_service.ts";
import { FdStore } from "../systemd/fd_store.ts";
import type { NotifyClient } from "../systemd/notify_client.ts";
import { HolderVault } from "../upgrade/holder_vault.ts";
import { Keeper } from "../upgrade/keeper.ts";
import type { Pidfile } from "./pidfile.ts";
import { openProbes } from "./pod_setup.ts";
import { insist } from "./preparation.ts";

export interface NamesParts {
  readonly platform: Platform;
  readonly config: Config;
  readonly paths: ServicePaths;
  readonly pidfile: Pidfile | null;
  readonly probeAddress: InetAddress | null;
  readonly logger: Logger;
  /** No other baton has them. */
  readonly owned: boolean;
  /** There was a baton before, and something of it may still be there. */
  readonly isNext: boolean;
  /** The service manager's store, if the unit has one. */
  readonly store: StoreParts | null;
  readonly service: () => GracefulService;
  /** A process that is ours, and no server. */
  readonly onStarted: (pid: number) => void;
  /** A new holder holds nothing yet. */
  readonly onHolderLost: () => void;
}

export interface StoreParts {
  readonly client: NotifyClient;
  /** Names of what the baton before has put there. */
  readonly found: readonly string[];
}

export class Names {
  control: ControlServer | null = null;
  keeper: Keeper | null = null;
  #probes: ProbeServer | null = null;
  #store: FdStore | null = null;

  constructor(readonly parts: NamesParts) {}

  /** Connections that the probe port has taken. */
  get probesAccepted(): number {
    return this.#probes?.accepted ?? 0;
  }

  /** @param isNext another holder is there, which goes on until this one has everything */
  startKeeper(isNext: boolean): void {
    const { platform, config, paths, logger, store, onStarted, onHolderLost } = this.parts;
    if (store !== null) {
      this.#store = new FdStore(platform, store.client, store.found);
      this.keeper = new Keeper(
        this.#store,
        config.survive ? "everything" : "spares",
        onHolderLost,
      );
    } else if (config.survive) {
      const vault = new HolderVault(platform, { path: paths.hold, isNext, onStarted });
      this.keeper = new Keeper(vault, "everything", () => {
        logger.warn("the holder (--survive) has ended: another one was started");
        onHolderLost();
      });
    }
  }

  /**
   * Those of a baton that starts, or goes on.
   * @param kept the control socket that the baton before has listened on
   * @param isRunning it has servers, and goes on without a probe port if it must
   */
  open(kept: Fd | null, isRunning: boolean): void {
    const { platform, paths, logger } = this.parts;
    const listener = exists(paths.socket) ? kept : null;
    const { fetch } = controlApp(this.parts.service());
    this.control = new ControlServer(platform, paths.socket, fetch, listener);
    insist(isRunning, logger, () => this.#openProbes());
  }

  /** From the baton that this one replaces, in one moment. */
  takeOver(): void {
    if (this.parts.owned) return;
    this.#take();
    this.#openProbes();
  }

  /** From a successor that has given up. */
  takeBack(): void {
    if (this.control?.isInPlace) return;
    this.control?.close();
    this.#take();
    this.parts.pidfile?.forgetOld();
  }

  /** The baton that was replaced has ended. */
  forgetOld(): void {
    if (!this.parts.owned) this.parts.pidfile?.forgetOld();
    this.#store?.becomeMain();
  }

  #take(): void {
    const { platform, paths } = this.parts;
    const temporary = `${paths.socket}.${platform.runtime.pid}`;
    this.control = new ControlServer(platform, temporary, controlApp(this.parts.service()).fetch);
    this.control.moveTo(paths.socket);
    this.startKeeper(true);
    this.parts.pidfile?.takeOver();
  }

  #openProbes(): void {
    const { platform, probeAddress } = this.parts;
    const report = () => this.parts.service().probes();
    this.#probes = openProbes(platform, probeAddress, report, this.parts.isNext);
  }

  /** Everything is over. */
  async farewell(): Promise<void> {
    // Another baton's by now.
    if (this.control?.isInPlace) await this.control.farewell();
  }

  close(): void {
    this.control?.close();
    this.#probes?.close();
  }
}
