/**
 * What others reach a running instance by: control socket, pidfile, probe port; and with them the lock on the name and
 * the storage of the state.
 *
 * An instance that owns its name opens all of them before it starts a server, and refuses to start without one. A
 * successor takes them when its generation serves, and returns them if it fails after all: the control socket first, so
 * that commands reach one of the two whatever else fails.
 */
import { dirname } from "node:path";
import type { ServiceControl } from "../../admin/app.ts";
import type { NameLock } from "../../admin/name_lock.ts";
import type { ProbeServer } from "../../admin/probe_server.ts";
import { type GuardedPath, RuntimeGuard } from "../../admin/runtime_guard.ts";
import type { Config } from "../../config/config.ts";
import type { Logger } from "../../log/logger.ts";
import type { Fd } from "../../platform/fd.ts";
import type { Platform } from "../../platform/platform.ts";
import type { Supervisor } from "../../supervisor/supervisor.ts";
import { ControlEndpoint } from "./control_endpoint.ts";
import { Pidfile } from "./pidfile.ts";
import { openProbes, type PodSetup } from "./pod_setup.ts";
import { tolerate } from "./process_setup.ts";
import type { StateStorage } from "./state_storage.ts";

export interface EndpointsParts {
  readonly platform: Platform;
  readonly config: Config;
  readonly logger: Logger;
  /** Null: there is no runtime directory, so no control socket either (`--shutdown-only`). */
  readonly name: { readonly lock: NameLock; readonly socket: string } | null;
  readonly probeAddress: PodSetup["probeAddress"];
  /** How this instance starts; the defaults are those of a first one. */
  readonly start?: StartFacts;
}

interface StartFacts {
  /** No other instance has the name. */
  readonly ownsName: boolean;
  /** It has servers already: it continues without an endpoint that cannot be opened. */
  readonly isRunning: boolean;
  /** A previous instance may still have the probe port, and shares it. */
  readonly sharesProbePort: boolean;
  /** The control socket of the previous instance. */
  readonly control: Fd | null;
  /** The fd store process of the previous instance is running. */
  readonly replacesStorage: boolean;
  readonly storage: StateStorage;
}

/** What the endpoints need of the service. */
interface Served {
  readonly service: ServiceControl;
  /** Null with `--shutdown-only`. */
  readonly supervisor: Pick<Supervisor, "placedSockets" | "hasHandedOver" | "writeState"> | null;
}

export class Endpoints {
  readonly #control: ControlEndpoint | null;
  readonly #pidfile: Pidfile | null;
  #probes: ProbeServer | null = null;
  #guard: RuntimeGuard | null = null;
  #served: Served | null = null;

  /** Opens nothing yet. */
  constructor(readonly parts: EndpointsParts) {
    const { platform, config, name } = parts;
    this.#control = name && new ControlEndpoint(platform, name.socket, name.lock);
    this.#pidfile = config.pidfile === null
      ? null
      : new Pidfile(config.pidfile, platform.runtime.pid);
  }

  get control(): ControlEndpoint["server"] {
    return this.#control?.server ?? null;
  }

  get stateWriter(): StateStorage["writer"] {
    return this.parts.start?.storage.writer ?? null;
  }

  get #ownsName(): boolean {
    return this.parts.start?.ownsName ?? true;
  }

  /** Connections that the probe port has accepted. */
  get probesAccepted(): number {
    return this.#probes?.accepted ?? 0;
  }

  /** From here on they answer for `served`: now, or when the predecessor hands them over. */
  open(served: Served): void {
    this.#served = served;
    if (!this.#ownsName) return;
    const { logger, start } = this.parts;
    const isRunning = start?.isRunning ?? false;
    const { service } = served;
    tolerate(isRunning, logger, () => this.#pidfile?.take());
    this.#startStorage(start?.replacesStorage ?? false);
    tolerate(isRunning, logger, () => this.#control?.open(service, start?.control ?? null));
    tolerate(isRunning, logger, () => this.#openProbes(service));
  }

  /** Watches the paths, and restores what is removed there. */
  guard(): void {
    const { platform, logger, name } = this.parts;
    if (name === null) return;
    this.#guard ??= new RuntimeGuard(platform, {
      directory: dirname(name.lock.path),
      paths: () => this.#guardedPaths(name.lock),
      log: logger,
      onRestored: () => this.#served?.supervisor?.writeState(),
    });
    this.#guard.check();
  }

  #guardedPaths(lock: NameLock): GuardedPath[] {
    if (this.#served === null) return [];
    const { service, supervisor } = this.#served;
    const isShared = ({ path }: GuardedPath) => path === this.parts.config.handoffSocket;
    const isLocal = ({ path }: GuardedPath) => dirname(path) === dirname(lock.path);
    const sockets = supervisor?.placedSockets() ?? [];
    const own = sockets.filter((socket) => !isShared(socket) && isLocal(socket));
    // The successor guards everything else.
    if (supervisor?.hasHandedOver) return own;
    return [
      guardedLock(lock),
      this.#control?.guardedPath(service) ?? [],
      this.parts.start?.storage.guardedPaths() ?? [],
      this.#pidfile?.guardedPath() ?? [],
      own,
      sockets.filter(isShared),
    ].flat();
  }

  /** This instance serves: replaces the predecessor's endpoints. */
  takeFromPredecessor(): void {
    if (this.#ownsName || this.#served === null) return;
    this.#replace(this.#served.service);
    this.guard();
    this.#openProbes(this.#served.service);
  }

  /** The successor has failed. */
  takeBackFromSuccessor(): void {
    if (!this.control?.isInPlace && this.#served !== null) {
      this.#replace(this.#served.service);
      this.#pidfile?.removeOld();
    }
    this.#guard?.check();
  }

  onPredecessorGone(): void {
    if (!this.#ownsName) this.#pidfile?.removeOld();
    this.parts.name?.lock.claim();
    this.parts.start?.storage.becomeMain();
  }

  /** This instance serves already: the guard creates later what fails now. */
  #replace(service: ServiceControl): void {
    const { logger } = this.parts;
    tolerate(true, logger, () => this.#control?.replace(service));
    this.#startStorage(true);
    tolerate(true, logger, () => this.#pidfile?.takeOver());
  }

  #startStorage(replaces: boolean): void {
    // A new store is empty.
    this.parts.start?.storage.start(replaces);
  }

  #openProbes(service: ServiceControl): void {
    const { platform, probeAddress, start } = this.parts;
    const report = () => service.probes();
    this.#probes = openProbes(platform, probeAddress, report, start?.sharesProbePort ?? false);
  }

  /** The service has exited: answers the clients that wait for that. */
  async farewell(): Promise<void> {
    // Otherwise it belongs to the successor.
    if (this.control?.isInPlace) await this.control.answerRemainingClients();
  }

  close(): void {
    this.#guard?.close();
    this.control?.close();
    this.#probes?.close();
    this.#pidfile?.remove();
    this.parts.name?.lock.close();
  }
}

function guardedLock(lock: NameLock): GuardedPath {
  return {
    what: "lock",
    path: lock.path,
    isInPlace: () => lock.isInPlace,
    restore: () => lock.restore(),
  };
}
