/**
 * Messages to the service manager that started baton: sd_notify(3) over $NOTIFY_SOCKET.
 *
 * Every message is sent from baton's main process, so that NotifyAccess=main is enough. A manager that does not
 * listen costs nothing. A slow one gets up to a second, because its queue holds only net.unix.max_dgram_qlen messages
 * (10) and a lost MAINPID or READY is never sent again. No failure here fails the service.
 */
import { printable } from "../platform/bytes.ts";
import { monotonicMicroseconds } from "../platform/clock.ts";
import type { Fd } from "../platform/fd.ts";
import type { Platform } from "../platform/platform.ts";

/** Longest wait for a manager that is busy, or does not know barriers. */
const PATIENCE_MS = 1_000;
/** Longest status; the whole message must stay below one page. */
const VALUE_LIMIT = 500;

export class NotifyClient {
  #socket: Fd | null = null;
  #status = "";

  /** @param path $NOTIFY_SOCKET: a file, or "@name" in the abstract namespace; undefined = no manager */
  constructor(readonly platform: Platform, path: string | undefined) {
    if (path === undefined || !/^[/@]/.test(path)) return;
    try {
      this.#socket = platform.sockets.datagramTo(path);
    } catch {
      // The manager is gone: baton keeps serving.
    }
  }

  get isConnected(): boolean {
    return this.#socket !== null;
  }

  /** @param patienceMs longest wait for a place in the manager's queue @returns false when it was not sent */
  send(variables: Readonly<Record<string, string>>, patienceMs = PATIENCE_MS): boolean {
    const lines = Object.entries(variables).map(([name, value]) => `${name}=${oneLine(value)}\n`);
    return this.#sendText(lines.join(""), [], patienceMs);
  }

  #sendText(text: string, fds: readonly Fd[], patienceMs = PATIENCE_MS): boolean {
    if (this.#socket === null) return false;
    const { descriptors } = this.platform;
    try {
      descriptors.isWritable(this.#socket, patienceMs);
      descriptors.send(this.#socket, new TextEncoder().encode(printable(text)), fds);
      return true;
    } catch {
      return false;
    }
  }

  /** Says READY=1: baton serves, whether for the first time or again after a reload. */
  ready(status: string): void {
    this.#status = status;
    this.send({ READY: "1", STATUS: status });
  }

  /** Sends READY=1 again, with the same status. */
  repeatReady(): void {
    this.ready(this.#status);
  }

  /** Says that a reload begins; MONOTONIC_USEC is what Type=notify-reload waits for (systemd 253). */
  reloading(status: string): void {
    this.#status = status;
    const now = monotonicMicroseconds(this.platform.libc);
    this.send({ RELOADING: "1", MONOTONIC_USEC: String(now), STATUS: status });
  }

  stopping(status: string): void {
    this.#status = status;
    this.send({ STOPPING: "1", STATUS: status });
  }

  /** Sets the line that `systemctl status` shows; sent only when it changes. */
  status(status: string): void {
    if (status === this.#status) return;
    this.#status = status;
    this.send({ STATUS: status });
  }

  /** Asks the manager to wait longer for the start, stop or reload that is under way. */
  extendTimeout(forMs: number): void {
    this.send({ EXTEND_TIMEOUT_USEC: String(forMs * 1000) });
  }

  /**
   * Puts `fd` into the manager's store under `name`, beside what has that name already. FDPOLL=0: also
   * one that has hung up stays until it is removed.
   */
  store(name: string, fd: Fd): void {
    this.#sendText(`FDSTORE=1\nFDNAME=${name}\nFDPOLL=0\n`, [fd]);
  }

  /** Takes everything of this name out of the manager's store. */
  unstore(name: string): void {
    this.send({ FDSTOREREMOVE: "1", FDNAME: name });
  }

  watchdog(): void {
    this.send({ WATCHDOG: "1" }, 0);
  }

  /**
   * Waits, at most a second, until the manager has worked on all messages so far: sd_notify_barrier(3). It accepts a
   * message only while its sender exists, and as the same program.
   * @returns false when the manager did not say so
   */
  barrier(): boolean {
    if (this.#socket === null) return true;
    const { descriptors } = this.platform;
    const { read, write } = descriptors.pipe();
    using theirs = write;
    using ours = read;
    if (!this.#sendText("BARRIER=1", [theirs])) return false;
    theirs.close();
    return descriptors.waitForHangup(ours, PATIENCE_MS);
  }

  close(): void {
    this.#socket?.close();
    this.#socket = null;
  }
}

/** The value as one line: a reason with several would be read as several variables. */
function oneLine(value: string): string {
  return value.replaceAll(/\s+/g, " ").slice(0, VALUE_LIMIT);
}
