/**
 * What others reach a running instance by: control socket, pidfile, probe port; and with them the lock on the name and
 * the storage of the state.
 *
 * An instance that owns its name opens all of them before it starts a server, and refuses to start without one. A
 * successor takes them when its generation serves, and returns them if it fails after all: the control socket first, so
 * that commands reach one of the two whatever else fails.
 */
import { dirname } from "node:path";
import type { ServiceParts } from "../../../admin/admin_parts.ts";
import type { NameLock } from "../../../admin/name_lock.ts";
import { type GuardedPath, RuntimeGuard } from "../../../admin/runtime_guard.ts";
import type { Logger } from "../../../log/logger.ts";
import type { ControlAccess } from "../../../succession/in_place_upgrade.ts";
import type { Supervisor } from "../../../supervisor/supervisor.ts";
import { answerer } from "./answerer.ts";
import { ControlEndpoint } from "./control_endpoint.ts";
import { Pidfile } from "./pidfile.ts";
import type { OwnPorts, OwnPortsParts } from "./own_ports.ts";
import { tolerate } from "../process_setup.ts";
import type { StartMode } from "../start_mode.ts";
import type { StateStorage } from "../state_storage.ts";

export interface EndpointsParts extends OwnPortsParts {
  /** Null: neither --admin nor --probe-listen is given. */
  readonly OwnPorts: typeof OwnPorts | null;
  readonly logger: Logger;
  /** Null: nothing is counted where others could read it. */
  readonly stats: {
    place(): void;
    remove(): void;
    guardedPath(): GuardedPath;
  } | null;
  /** Null: there is no runtime directory, so no control socket either (`--shutdown-only`). */
  readonly name: ControlEndpoint["name"] | null;
  readonly service: () => ServiceParts;
  /** Null with `--shutdown-only`: no other instance precedes or follows. */
  readonly succession: {
    readonly mode: StartMode;
    readonly storage: StateStorage;
    readonly supervisor: () => Pick<Supervisor, "placedSockets" | "hasHandedOver" | "writeState">;
  } | null;
}

export class Endpoints {
  readonly #control: ControlEndpoint | null;
  readonly #pidfile: Pidfile | null;
  readonly #ports: OwnPorts | null;
  #guard: RuntimeGuard | null = null;
  /** No other instance has the name. */
  readonly #ownsName: boolean;

  /** Opens nothing yet, and does not call `service`. */
  constructor(readonly parts: EndpointsParts) {
    const { platform, config, name, succession } = parts;
    this.#ownsName = succession?.mode.ownsName ?? true;
    const handlerOf = answerer(parts.service, parts);
    this.#control = name && new ControlEndpoint(platform, name, handlerOf("control"));
    const joins = succession !== null && succession.mode.kind !== "fresh";
    const kept = succession?.mode.resumption?.kept ?? null;
    this.#ports = parts.OwnPorts &&
      new parts.OwnPorts(parts, handlerOf("admin"), parts.service, joins, kept);
    this.#pidfile = config.pidfile === null
      ? null
      : new Pidfile(config.pidfile, platform.runtime.pid);
  }

  get control(): ControlEndpoint["server"] {
    return this.#control?.server ?? null;
  }

  /** How clients of the control socket are kept waiting while baton becomes another program. */
  get door(): ControlAccess | null {
    const { control } = this;
    return control && {
      listener: control.listener,
      ports: this.#ports?.descriptors ?? new Map(),
      pause: async () => {
        await Promise.all([control.pause(), this.#ports?.pause()]);
      },
      resume: () => {
        control.resume();
        this.#ports?.resume();
      },
    };
  }

  /** Connections that baton's own ports have accepted. */
  get portsAccepted(): number {
    return this.#ports?.accepted ?? 0;
  }

  /** Opens all endpoints, if this instance has the name; a successor takes them later. */
  open(): void {
    if (!this.#ownsName) return;
    const { logger } = this.parts;
    const mode = this.parts.succession?.mode;
    const isRunning = mode?.kind === "in-place";
    tolerate(isRunning, logger, () => this.#pidfile?.take());
    this.#startStorage((mode?.recovered ?? null) !== null);
    tolerate(isRunning, logger, () => this.#control?.open(mode?.control ?? null));
    tolerate(true, logger, () => this.parts.stats?.place());
    tolerate(isRunning, logger, () => this.#ports?.open());
  }

  /** Watches the paths, and restores what is removed there. */
  guard(): void {
    const { platform, logger, name } = this.parts;
    if (name === null) return;
    this.#guard ??= new RuntimeGuard(platform, {
      directory: dirname(name.lock.path),
      paths: () => this.#guardedPaths(name.lock),
      log: logger,
      onRestored: () => this.parts.succession?.supervisor().writeState(),
    });
    this.#guard.check();
  }

  #guardedPaths(lock: NameLock): GuardedPath[] {
    const { succession } = this.parts;
    const supervisor = succession?.supervisor();
    const isShared = ({ path }: GuardedPath) => path === this.parts.config.handoffSocket;
    const isLocal = ({ path }: GuardedPath) => dirname(path) === dirname(lock.path);
    const sockets = supervisor?.placedSockets() ?? [];
    const own = sockets.filter((socket) => !isShared(socket) && isLocal(socket));
    // The successor guards everything else.
    if (supervisor?.hasHandedOver) return own;
    return [
      {
        what: "lock",
        path: lock.path,
        isInPlace: () => lock.isInPlace,
        restore: () => lock.restore(),
      },
      this.#control?.guardedPath() ?? [],
      this.parts.stats?.guardedPath() ?? [],
      succession?.storage.guardedPaths() ?? [],
      this.#pidfile?.guardedPath() ?? [],
      own,
      sockets.filter(isShared),
    ].flat();
  }

  /** This instance serves: replaces the predecessor's endpoints. */
  takeFromPredecessor(): void {
    if (this.#ownsName) return;
    this.#replace();
    this.guard();
    tolerate(true, this.parts.logger, () => this.#ports?.open());
  }

  /** @param kind what the supervisor has learned */
  onEvent(kind: string): void {
    if (kind === "upgrade_requested") this.#ports?.share();
    if (kind === "handed_over") this.#ports?.leaveToSuccessor();
  }

  /** The successor has failed. */
  takeBackFromSuccessor(): void {
    tolerate(true, this.parts.logger, () => this.parts.stats?.place());
    if (!this.control?.isInPlace) {
      this.#replace();
      this.#pidfile?.removeOld();
    }
    this.#guard?.check();
    tolerate(true, this.parts.logger, () => this.#ports?.takeBack());
  }

  onPredecessorGone(): void {
    if (!this.#ownsName) this.#pidfile?.removeOld();
    this.parts.name?.lock.claim();
    this.parts.succession?.storage.becomeMain();
  }

  /** This instance serves already: the guard creates later what fails now. */
  #replace(): void {
    const { logger } = this.parts;
    tolerate(true, logger, () => this.#control?.replace());
    tolerate(true, logger, () => this.parts.stats?.place());
    this.#startStorage(true);
    tolerate(true, logger, () => this.#pidfile?.takeOver());
  }

  #startStorage(replaces: boolean): void {
    const { succession } = this.parts;
    // A new store is empty.
    succession?.storage.start(replaces);
  }

  /**
   * Waits until the service has exited, and answers the clients that wait for that. @returns the status to exit with
   */
  async serveUntilExit(): Promise<number> {
    const { status } = await this.parts.service().pod.finished;
    // Where it is not in place, it belongs to the successor.
    if (this.control?.isInPlace) await this.control.answerRemainingClients();
    await this.#ports?.finish();
    this.parts.logger.info("exiting", { status });
    return status;
  }

  close(): void {
    this.#guard?.close();
    this.control?.close();
    this.#ports?.close();
    this.#pidfile?.remove();
    tolerate(true, this.parts.logger, () => this.parts.stats?.remove());
    this.parts.name?.lock.close();
  }
}
