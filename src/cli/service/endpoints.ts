/**
 * What the world knows a baton by: its control socket, pidfile and probe port, and its holder (`--survive`).
 *
 * A baton that starts opens them all before anything else, and is refused where it cannot have one. A
 * successor takes them when its generation serves, and gives them back when it does not after all: the
 * control socket first, so that whatever cannot be taken then, somebody can be talked to.
 */
import { dirname } from "node:path";
import { controlApp } from "../../admin/app.ts";
import { ControlServer } from "../../admin/control_server.ts";
import type { NameLock } from "../../admin/name_lock.ts";
import type { ServicePaths } from "../../admin/paths.ts";
import type { ProbeServer } from "../../admin/probe_server.ts";
import { type GuardedPath, RuntimeGuard } from "../../admin/runtime_guard.ts";
import type { Config } from "../../config/config.ts";
import type { Logger } from "../../log/logger.ts";
import type { InetAddress } from "../../platform/network/address.ts";
import type { Fd } from "../../platform/fd.ts";
import type { Platform } from "../../platform/platform.ts";
import { exists } from "../../platform/files/path.ts";
import type { GracefulService } from "../../pod/graceful_service.ts";
import type { Supervisor } from "../../supervisor/supervisor.ts";
import { FdStore } from "../../systemd/fd_store.ts";
import type { NotifyClient } from "../../systemd/notify_client.ts";
import { FdStoreProcess } from "../../succession/state/fd_store_process.ts";
import { StateWriter } from "../../succession/state/state_writer.ts";
import { controlFixture, holderFixture, lockFixture, pidfileFixture } from "./guarded_paths.ts";
import type { Pidfile } from "./pidfile.ts";
import { openProbes } from "./pod_setup.ts";
import { insist } from "./process_setup.ts";

interface EndpointsParts {
  readonly platform: Platform;
  readonly config: Config;
  readonly paths: ServicePaths;
  readonly lock: NameLock;
  readonly pidfile: Pidfile | null;
  readonly probeAddress: InetAddress | null;
  readonly logger: Logger;
  /** No other baton has them. */
  readonly owned: boolean;
  /** There was a baton before, and something of it may still be there. */
  readonly isNext: boolean;
  /** The service manager's store, if the unit has one. */
  readonly store: ManagerStore | null;
  readonly service: () => GracefulService;
  readonly supervisor: () => Supervisor;
  /** A process that is ours, and no server. */
  readonly onStarted: (pid: number) => void;
}

interface ManagerStore {
  readonly client: NotifyClient;
  /** Names of what the baton before has put there. */
  readonly found: readonly string[];
}

export class Endpoints {
  control: ControlServer | null = null;
  stateWriter: StateWriter | null = null;
  #probes: ProbeServer | null = null;
  #store: FdStore | null = null;
  #vault: FdStoreProcess | null = null;
  #guard: RuntimeGuard | null = null;

  constructor(readonly parts: EndpointsParts) {}

  /** Connections that the probe port has taken. */
  get probesAccepted(): number {
    return this.#probes?.accepted ?? 0;
  }

  /** @param isNext another holder is there, which goes on until this one has everything */
  startStateWriter(isNext: boolean): void {
    const { platform, config, paths, logger, store, onStarted } = this.parts;
    // A new holder holds nothing yet.
    const onHolderLost = () => this.parts.supervisor().writeState();
    if (store !== null) {
      this.#store = new FdStore(platform, store.client, store.found);
      this.stateWriter = new StateWriter(
        this.#store,
        config.survive ? "everything" : "standby",
        onHolderLost,
      );
    } else if (config.survive) {
      const vault = new FdStoreProcess(platform, { path: paths.hold, isNext, onStarted });
      this.#vault = vault;
      this.stateWriter = new StateWriter(vault, "everything", () => {
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
    const { paths, logger } = this.parts;
    const listener = exists(paths.socket) ? kept : null;
    insist(isRunning, logger, () => this.#openControl(paths.socket, listener));
    insist(isRunning, logger, () => this.#openProbes());
  }

  #openControl(path: string, kept: Fd | null = null): void {
    const { fetch } = controlApp(this.parts.service());
    this.control = new ControlServer(this.parts.platform, path, fetch, kept);
  }

  /** From now on all of it is brought back when it is removed. */
  guard(): void {
    const { platform, logger, paths, supervisor } = this.parts;
    this.#guard ??= new RuntimeGuard(platform, {
      directory: dirname(paths.lock),
      paths: () => this.#fixtures(),
      log: logger,
      onRestored: () => supervisor().writeState(),
    });
    this.#guard.check();
  }

  #fixtures(): GuardedPath[] {
    const { platform, paths, lock, pidfile, supervisor, config } = this.parts;
    const isShared = ({ path }: GuardedPath) => path === config.handoffSocket;
    const isLocal = ({ path }: GuardedPath) => dirname(path) === dirname(paths.lock);
    const sockets = supervisor().placedSockets();
    const own = sockets.filter((socket) => !isShared(socket) && isLocal(socket));
    // What is left is looked after by the baton that has it.
    if (supervisor().hasHandedOver) return own;
    const found = [
      lockFixture(lock),
      controlFixture(platform, paths.socket, lock, {
        current: () => this.control,
        open: () => this.#openControl(paths.socket),
      }),
    ];
    if (this.#vault !== null) found.push(holderFixture(this.#vault, paths.hold));
    if (pidfile !== null) found.push(pidfileFixture(pidfile));
    return [...found, ...own, ...sockets.filter(isShared)];
  }

  /** From the baton that this one replaces, in one moment. */
  takeFromPredecessor(): void {
    if (this.parts.owned) return;
    this.#take();
    this.guard();
    this.#openProbes();
  }

  /** From a successor that has given up. */
  takeBackFromSuccessor(): void {
    if (!this.control?.isInPlace) {
      this.control?.close();
      this.#take();
      this.parts.pidfile?.removeOld();
    }
    this.#guard?.check();
  }

  /** The baton that was replaced has ended. */
  onPredecessorGone(): void {
    if (!this.parts.owned) this.parts.pidfile?.removeOld();
    this.parts.lock.claim();
    this.#store?.becomeMain();
  }

  /** What cannot be had just now is made by the guard: this baton serves already. */
  #take(): void {
    const { platform, paths, logger, pidfile } = this.parts;
    const temporary = `${paths.socket}.${platform.runtime.pid}`;
    insist(true, logger, () => {
      this.#openControl(temporary);
      this.control?.moveTo(paths.socket);
    });
    this.startStateWriter(true);
    insist(true, logger, () => pidfile?.takeOver());
  }

  #openProbes(): void {
    const { platform, probeAddress } = this.parts;
    const report = () => this.parts.service().probes();
    this.#probes = openProbes(platform, probeAddress, report, this.parts.isNext);
  }

  /** Everything is over. */
  async farewell(): Promise<void> {
    // Another baton's by now.
    if (this.control?.isInPlace) await this.control.answerRemainingClients();
  }

  close(): void {
    this.#guard?.close();
    this.control?.close();
    this.#probes?.close();
  }
}
