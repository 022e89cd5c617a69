/** What a baton has at fixed paths, as `admin/runtime_guard.ts` looks after it. */
import { isListening } from "../../admin/client.ts";
import type { ControlServer } from "../../admin/control_server.ts";
import type { NameLock } from "../../admin/name_lock.ts";
import type { GuardedPath } from "../../admin/runtime_guard.ts";
import { exists } from "../../platform/files/path.ts";
import type { Platform } from "../../platform/platform.ts";
import type { Pidfile } from "./pidfile.ts";

export function lockFixture(lock: NameLock): GuardedPath {
  return {
    what: "lock",
    path: lock.path,
    isInPlace: () => lock.isInPlace,
    restore: () => lock.restore(),
  };
}

/** @param server `current` is null when it could not be opened; then `open` does it */
export function controlFixture(
  platform: Platform,
  path: string,
  lock: NameLock,
  server: { readonly current: () => ControlServer | null; readonly open: () => void },
): GuardedPath {
  return {
    what: "control socket",
    path,
    // Where somebody else answers, another baton has the name: a successor just before it says so.
    isInPlace: () => {
      const control = server.current();
      if (control?.path === path && control.isInPlace) return true;
      return exists(path) && isListening(platform, path);
    },
    restore: () => {
      if (!lock.isInPlace) throw new Error("it needs the lock");
      const control = server.current();
      if (control === null) server.open();
      else control.restore(path);
    },
  };
}

export function holderFixture(vault: { listenAgain(): void }, path: string): GuardedPath {
  return {
    what: "holder's socket (--survive)",
    path,
    isInPlace: () => exists(path),
    restore: () => vault.listenAgain(),
  };
}

/** What others have written there is theirs. */
export function pidfileFixture(pidfile: Pidfile): GuardedPath {
  return {
    what: "pidfile",
    path: pidfile.path,
    isInPlace: () => pidfile.isThere,
    restore: () => pidfile.restore(),
  };
}
