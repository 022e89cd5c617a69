/**
 * The holder: a small process beside a baton with --survive that keeps descriptors and the latest state,
 * and gives them to the next baton of this name when its own was killed.
 *
 * It decides nothing, and blocks in one system call at a time. It ends when the next baton has taken
 * everything, when its baton says that the service has ended, and, so that no port is held by nobody,
 * a while after the last server has ended without a baton to start another.
 */
import { chmodSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { Fd } from "../../platform/fd.ts";
import type { Message } from "../../platform/network/passed_descriptors.ts";
import type { Platform } from "../../platform/platform.ts";
import { pathKey } from "../../platform/files/path_key.ts";
import { processStat } from "../../platform/process/proc.ts";
import {
  decodeMessage,
  encodeMessage,
  type FdStoreOrder,
  type FdStoreReply,
  type FdStoreRequest,
  HOLD_MESSAGE_LIMIT,
  ITEMS_AT_A_TIME,
} from "./fd_store_protocol.ts";
import { parseResumeState } from "./resume_state.ts";
import { C } from "../../platform/libc/constants.ts";

const BACKLOG = 8;
const SOCKET_MODE = 0o600;
/** After the last server has ended without a baton. */
const LONELY_MS = 60_000;
/** For a next baton that has taken everything to say so. */
const HEIR_TIMEOUT_MS = 60_000;
const FOR_EVER = -1;

class FdStoreServer {
  readonly #items = new Map<string, Fd>();
  /** Null: its place cannot be used just now. */
  #listener: Fd | null = null;
  /** From the end of its baton on, whatever becomes of the path. */
  #abstractListener: Fd | null = null;
  #path: string;
  #inode = -1;
  readonly #abstractName: string;
  #state: Fd | null = null;

  /** @param isNext another holder is at `path`: take its place once everything is here */
  constructor(
    readonly platform: Platform,
    readonly control: Fd,
    readonly finalPath: string,
    isNext: boolean,
  ) {
    const { descriptors } = platform;
    this.#path = isNext ? `${finalPath}.${platform.runtime.pid}` : finalPath;
    this.#abstractName = abstractNameOf(finalPath);
    this.#listen();
    descriptors.send(control, encodeMessage({ kind: "holds" } satisfies FdStoreReply));
  }

  /** At its path, if that can be: what it holds matters more than where it is. */
  #listen(): void {
    const { sockets } = this.platform;
    const fresh = sockets.packets();
    try {
      rmSync(this.#path, { force: true });
      sockets.bindUnix(fresh, this.#path);
      chmodSync(this.#path, SOCKET_MODE);
      sockets.listen(fresh, BACKLOG);
      this.#inode = statSync(this.#path).ino;
    } catch {
      return fresh.close();
    }
    this.#listener?.close();
    this.#listener = fresh;
  }

  /** A second address, which nothing can remove, for a next baton that finds the path gone. */
  #listenAbstractly(): void {
    const { sockets } = this.platform;
    const fd = sockets.packets();
    try {
      sockets.bindUnix(fd, this.#abstractName);
      sockets.listen(fd, BACKLOG);
      this.#abstractListener = fd;
    } catch {
      fd.close();
    }
  }

  get #listeners(): Fd[] {
    return [this.#listener, this.#abstractListener].filter((fd) => fd !== null);
  }

  /** Holds until it is not needed any more. */
  run(): void {
    const isWanted = this.#serveOwner();
    if (isWanted && this.#state !== null) this.#awaitNextInstance(this.#state);
    if (this.#isOurs()) rmSync(this.#path, { force: true });
  }

  /** Until its baton has ended. @returns false when that has said that the service has ended */
  #serveOwner(): boolean {
    for (;;) {
      const message = this.#receive(this.control);
      const order = message === null ? null : decodeMessage<FdStoreOrder>(message.data);
      if (message === null || order === null) return true;
      const [fd = null] = message.fds;
      switch (order.kind) {
        case "put":
          this.#items.get(order.name)?.close();
          if (fd !== null) this.#items.set(order.name, fd);
          break;
        case "drop":
          this.#items.get(order.name)?.close();
          this.#items.delete(order.name);
          break;
        case "save":
          this.#state?.close();
          this.#state = fd;
          this.#takePlace();
          break;
        case "listen":
          this.#listen();
          break;
        case "end":
          return false;
      }
    }
  }

  #takePlace(): void {
    if (this.#path === this.finalPath) return;
    const before = this.#path;
    this.#path = this.finalPath;
    try {
      renameSync(before, this.finalPath);
    } catch {
      this.#listen();
    }
  }

  /** A baton that is killed leaves ECONNRESET behind, if we had something to say to it. */
  #receive(socket: Fd): Message | null {
    try {
      return this.platform.descriptors.receive(socket, HOLD_MESSAGE_LIMIT);
    } catch {
      return null;
    }
  }

  #awaitNextInstance(state: Fd): void {
    const servers = this.#servers(state);
    this.#listenAbstractly();
    if (!this.#mayBeRecovered(state) && !this.#hasClient()) return this.#stopServers(servers);
    for (;;) {
      const alive = servers.filter((pidfd) => pidfd.isOpen);
      const timeoutMs = alive.length > 0 ? FOR_EVER : LONELY_MS;
      const doors = this.#listeners;
      const ready = this.platform.descriptors.waitReadable([...doors, ...alive], timeoutMs);
      if (ready.length === 0) return;
      const door = doors.find((fd) => ready.includes(fd));
      alive.filter((pidfd) => ready.includes(pidfd)).forEach((pidfd) => pidfd.close());
      // A successor has one of its own at the path, and the servers have ended: nobody can need this.
      const isOver = alive.every((pidfd) => !pidfd.isOpen) && this.#isReplaced();
      if (isOver && door === undefined) return;
      if (door === undefined) continue;
      using heir = this.platform.sockets.accept(door);
      if (heir !== null && this.#sendEverything(heir, state)) return;
      // An heir that died after its own holder had everything.
      if (this.#isReplaced()) return;
    }
  }

  /** False when another baton serves: it has taken over, or was not taken over from yet. */
  #mayBeRecovered(state: Fd): boolean {
    const { service } = parseResumeState(readFileSync(`/proc/self/fd/${state.number}`, "utf8"));
    return service.served && (service.shutdown?.handedOver ?? null) === null;
  }

  #hasClient(): boolean {
    return this.platform.descriptors.waitReadable(this.#listeners, 0).length > 0;
  }

  /** As the kernel does to servers that do not outlive their baton. */
  #stopServers(servers: readonly Fd[]): void {
    for (const pidfd of servers) this.platform.processes.signalThrough(pidfd, C.SIGTERM);
  }

  /** Process descriptors of the servers that are alive. */
  #servers(state: Fd): Fd[] {
    const { generations } = parseResumeState(readFileSync(`/proc/self/fd/${state.number}`, "utf8"));
    return generations
      .filter(({ pid, startTime }) => processStat(pid)?.startTime === startTime)
      .map(({ pid }) => this.platform.processes.openPidfd(pid));
  }

  /** @returns whether the heir has said that it has everything */
  #sendEverything(heir: Fd, state: Fd): boolean {
    const { sockets, descriptors, processes } = this.platform;
    const { uid } = sockets.peerCredentials(heir);
    if (!processes.trustsUser(uid)) return false;
    try {
      descriptors.setBlocking(heir);
      sockets.setTimeouts(heir, HEIR_TIMEOUT_MS);
      const items = [...this.#items];
      while (items.length > 0) {
        const some = items.splice(0, ITEMS_AT_A_TIME);
        const names = some.map(([name]) => name);
        const message: FdStoreReply = { kind: "items", names };
        descriptors.send(heir, encodeMessage(message), some.map(([, fd]) => fd));
      }
      descriptors.send(heir, encodeMessage({ kind: "state" } satisfies FdStoreReply), [state]);
      const answer = descriptors.receive(heir, HOLD_MESSAGE_LIMIT);
      return answer !== null && decodeMessage<FdStoreRequest>(answer.data)?.kind === "taken";
    } catch {
      return false;
    }
  }

  /** Another holder is at the path; where nothing is, the path was lost. */
  #isReplaced(): boolean {
    return statSync(this.#path, { throwIfNoEntry: false }) !== undefined && !this.#isOurs();
  }

  #isOurs(): boolean {
    return statSync(this.#path, { throwIfNoEntry: false })?.ino === this.#inode;
  }
}

/** @returns the abstract name at which the holder of `path` waits too */
export function abstractNameOf(path: string): string {
  return `@baton-hold-${pathKey(path)}`;
}

/** Runs as a holder. @param control number of the socket to its baton */
export function runFdStoreServer(
  platform: Platform,
  control: number,
  path: string,
  isNext: boolean,
): void {
  new FdStoreServer(platform, new Fd(platform.libc, control), path, isNext).run();
}
