/**
 * The right to a name in a runtime directory. It ends with this process, however that ends.
 *
 * Two locks in one. The file NAME.lock is locked (flock(2)): that excludes every process that sees the directory, also in
 * containers that share it, as long as the file exists. A listening socket in the abstract namespace, which rm(1) cannot
 * remove, excludes processes in the same network and mount namespace (platform/files/path_key.ts) while the file is
 * missing. A starting baton needs both; a baton whose lock file was removed creates and locks it again.
 *
 * Another user could take the abstract name first. Only a holder that is this user or root counts: SO_PEERCRED.
 */
import { UserError } from "../config/values/errors.ts";
import { statSync } from "node:fs";
import { SystemCallError } from "../platform/error.ts";
import { sleep, type Timer } from "../platform/clock.ts";
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import { exists, statOf } from "../platform/files/path.ts";
import { pathKey } from "../platform/files/path_key.ts";
import type { Platform } from "../platform/platform.ts";
import { isExiting } from "../platform/process/proc.ts";
import type { Watch } from "../platform/reactor.ts";
import { isListening } from "./client.ts";

const LOCK_MODE = 0o600;
const BACKLOG = 32;
/** How often to try to open a lock file that is removed at that very moment. */
const MOST_TRIES = 10;
/** How often to try the abstract name: the previous instance keeps it until it exits, which is imminent. */
const CLAIM_TRIES = 20;
const CLAIM_PAUSE_MS = 100;
/** Longest wait for a killed holder, whose threads exit one by one. */
const EXIT_LIMIT_MS = 1_000;
const EXIT_PAUSE_MS = 10;

export class NameLock {
  #claim: { readonly fd: Fd; readonly watch: Watch } | null = null;
  #timer: Timer | null = null;

  private constructor(
    readonly platform: Platform,
    readonly path: string,
    /** The locked file; the number stays the same when the file is replaced. */
    readonly fd: Fd,
  ) {}

  /**
   * Waits for a holder that is exiting: the kernel closes the descriptors of a killed process when its last thread exits,
   * up to 60 ms after the first one has become a zombie [measured].
   * @param socket path of the control socket: a baton that answers there has lost its lock file, but not the name
   * @returns null when another process has the name
   * @throws {UserError} when the lock file cannot be opened
   */
  static async take(platform: Platform, path: string, socket: string): Promise<NameLock | null> {
    const endMs = platform.clock.now() + EXIT_LIMIT_MS;
    let wasExiting = false;
    for (;;) {
      const holder = lockHolder(platform, path);
      const lock = NameLock.#tryToTake(platform, path, socket);
      wasExiting ||= holder !== null && isExiting(holder);
      if (lock !== null || !wasExiting || platform.clock.now() >= endMs) return lock;
      await sleep(platform.clock, EXIT_PAUSE_MS);
    }
  }

  static #tryToTake(platform: Platform, path: string, socket: string): NameLock | null {
    const claim = bindClaim(platform, path);
    if (claim === "taken") return null;
    const fd = lockFile(platform, path);
    if (fd === null || (exists(socket) && isListening(platform, socket))) {
      fd?.close();
      claim?.close();
      return null;
    }
    const lock = new NameLock(platform, path, fd);
    if (claim !== null) lock.#keep(claim);
    return lock;
  }

  /** Takes over the lock of the previous instance. @param isAlone that has exited, or was this process */
  static inherit(platform: Platform, path: string, fd: Fd, isAlone: boolean): NameLock {
    const lock = new NameLock(platform, path, fd);
    if (isAlone) lock.claim();
    return lock;
  }

  /** Takes the abstract name, too, as soon as the previous instance releases it. */
  claim(tries = CLAIM_TRIES): void {
    if (this.#claim !== null || !this.fd.isOpen) return;
    const claim = bindClaim(this.platform, this.path);
    if (claim === "taken") {
      if (tries <= 1) return;
      this.#timer = this.platform.clock.after(CLAIM_PAUSE_MS, () => this.claim(tries - 1));
    } else if (claim !== null) this.#keep(claim);
  }

  #keep(fd: Fd): void {
    const { sockets, reactor } = this.platform;
    const watch = reactor.watch(fd, () => {
      // A client wants to know only whether it can connect.
      for (let peer = sockets.accept(fd); peer !== null; peer = sockets.accept(fd)) peer.close();
      watch.arm();
    });
    this.#claim = { fd, watch };
  }

  /** Whether the file at the path is the locked one. */
  get isInPlace(): boolean {
    return isAt(this.fd, this.path);
  }

  /** @throws {Error} when the file cannot be created, or another baton has locked it meanwhile */
  restore(): void {
    if (this.isInPlace) return;
    // Closing a file that is open for writing wakes the guard that watches it: it must not wake itself.
    const fd = lockFile(this.platform, this.path, exists(this.path) ? C.O_RDONLY : undefined);
    if (fd === null) {
      throw new Error(
        "another baton has taken the name meanwhile, and commands reach that one: stop one of them",
      );
    }
    this.platform.descriptors.takeOver(this.fd, fd);
  }

  close(): void {
    this.#timer?.cancel();
    this.#claim?.watch.cancel();
    this.#claim?.fd.close();
    this.#claim = null;
    this.fd.close();
  }
}

/** @returns process id of the baton that has the name, even if its directory is gone; null = unknown */
export function lockHolder(platform: Platform, path: string): number | null {
  return claimantPid(platform, path) || null;
}

function claimName(path: string): string {
  return `@baton-lock-${pathKey(path)}`;
}

/** @returns null where the abstract name is unavailable but proves nothing: then the file alone decides */
function bindClaim(platform: Platform, path: string): Fd | "taken" | null {
  const { sockets } = platform;
  const fd = sockets.packets({ nonblocking: true });
  try {
    sockets.bindUnix(fd, claimName(path));
    sockets.listen(fd, BACKLOG);
    return fd;
  } catch (error) {
    fd.close();
    if (!(error instanceof SystemCallError)) throw error;
    return error.errno === C.EADDRINUSE && claimantPid(platform, path) !== null ? "taken" : null;
  }
}

/**
 * The process of this user or of root that listens at the name; 0 = it is in another PID namespace.
 * @returns null when there is none, or its queue is full
 */
function claimantPid(platform: Platform, path: string): number | null {
  const { sockets, processes } = platform;
  using fd = sockets.packets({ nonblocking: true });
  try {
    sockets.connectUnix(fd, claimName(path));
    const { pid, uid } = sockets.peerCredentials(fd);
    return processes.trustsUser(uid) ? pid : null;
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    return null;
  }
}

/** @returns null when another process has locked it */
function lockFile(
  platform: Platform,
  path: string,
  flags: number = C.O_RDWR | C.O_CREAT,
): Fd | null {
  for (let i = 0; i < MOST_TRIES; i++) {
    const fd = openFile(platform, path, flags);
    if (!platform.processes.tryLock(fd)) {
      fd.close();
      return null;
    }
    if (isAt(fd, path)) return fd;
    fd.close();
  }
  throw new UserError(`Cannot lock ${path}: it keeps being removed`, {
    remedy: "Find out what removes it, or use another --runtime-dir",
  });
}

function openFile(platform: Platform, path: string, flags: number): Fd {
  try {
    return platform.descriptors.open(path, flags, LOCK_MODE);
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    throw new UserError(`Cannot write to the runtime directory: ${error.message}`, {
      remedy: "Use --runtime-dir with a directory of your own",
      cause: error,
    });
  }
}

function isAt(fd: Fd, path: string): boolean {
  const ours = statSync(`/proc/self/fd/${fd.number}`, { throwIfNoEntry: false });
  const there = statOf(path);
  return ours !== undefined && there !== null && ours.ino === there.ino && ours.dev === there.dev;
}
