/** The control socket of one service: opened, taken from a predecessor, and opened again where it was removed. */
import { isListening } from "../../../admin/client.ts";
import { ControlServer } from "../../../admin/control_server.ts";
import type { FetchHandler } from "../../../admin/http_connection.ts";
import type { NameLock } from "../../../admin/name_lock.ts";
import type { GuardedPath } from "../../../admin/runtime_guard.ts";
import type { Fd } from "../../../platform/fd.ts";
import { exists, statOf } from "../../../platform/files/path.ts";
import { UserError } from "../../../config/values/errors.ts";
import type { Platform } from "../../../platform/platform.ts";

export class ControlEndpoint {
  server: ControlServer | null = null;

  constructor(
    readonly platform: Platform,
    readonly name: { readonly lock: NameLock; readonly socket: string },
    readonly handler: FetchHandler,
  ) {}

  /** @param kept the socket of the previous instance, if that still listens at the path */
  open(kept: Fd | null, path = this.name.socket): ControlServer {
    const { platform, handler } = this;
    if (statOf(path)?.isDirectory()) {
      throw new UserError(`Cannot create control socket ${path}: there is a directory`, {
        remedy:
          "Remove it: engines of containers make one where a file is missing that they are to mount",
      });
    }
    return this.server = new ControlServer(platform, path, handler, exists(path) ? kept : null);
  }

  /** Replaces the socket of another instance in one step: no client is refused. */
  replace(): void {
    const { socket } = this.name;
    this.server?.close();
    this.server = null;
    this.open(null, `${socket}.${this.platform.runtime.pid}`).moveTo(socket);
  }

  guardedPath(): GuardedPath {
    const { lock, socket } = this.name;
    return {
      what: "control socket",
      path: socket,
      // Where another process answers, that instance has the name: a successor may answer just before it says so.
      isInPlace: () => {
        if (this.server?.path === socket && this.server.isInPlace) return true;
        return exists(socket) && isListening(this.platform, socket);
      },
      restore: () => {
        if (!lock.isInPlace) throw new Error("it needs the lock");
        if (this.server === null) this.open(null);
        else this.server.restore(socket);
      },
    };
  }
}
