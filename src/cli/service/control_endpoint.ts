/** The control socket of one service: opened, taken from a predecessor, and opened again where it was removed. */
import { controlApp, type ServiceControl } from "../../admin/app.ts";
import { isListening } from "../../admin/client.ts";
import { ControlServer } from "../../admin/control_server.ts";
import type { NameLock } from "../../admin/name_lock.ts";
import type { GuardedPath } from "../../admin/runtime_guard.ts";
import type { Fd } from "../../platform/fd.ts";
import { exists } from "../../platform/files/path.ts";
import type { Platform } from "../../platform/platform.ts";

export class ControlEndpoint {
  server: ControlServer | null = null;

  constructor(readonly platform: Platform, readonly path: string, readonly lock: NameLock) {}

  /** @param kept the socket of the previous instance, which listens at the path */
  open(service: ServiceControl, kept: Fd | null): void {
    this.#open(service, this.path, exists(this.path) ? kept : null);
  }

  /** Replaces the socket of another instance in one step: no client is refused. */
  replace(service: ServiceControl): void {
    this.server?.close();
    this.server = null;
    this.#open(service, `${this.path}.${this.platform.runtime.pid}`, null)
      .moveTo(this.path);
  }

  #open(service: ServiceControl, path: string, kept: Fd | null): ControlServer {
    return this.server = new ControlServer(this.platform, path, controlApp(service).fetch, kept);
  }

  guardedPath(service: ServiceControl): GuardedPath {
    return {
      what: "control socket",
      path: this.path,
      // Where another process answers, that instance has the name: a successor may answer just before it says so.
      isInPlace: () => {
        if (this.server?.path === this.path && this.server.isInPlace) return true;
        return exists(this.path) && isListening(this.platform, this.path);
      },
      restore: () => {
        if (!this.lock.isInPlace) throw new Error("it needs the lock");
        if (this.server === null) this.#open(service, this.path, null);
        else this.server.restore(this.path);
      },
    };
  }
}
