/**
 * The fd-store process: a small process beside a baton with --survive. It keeps descriptors and the latest state, and
 * gives them to the next instance of this name when its own baton was killed.
 *
 * It decides nothing, but lets trapped calls continue that need no decision while no baton runs (waiting_calls.ts). It
 * blocks in one system call at a time, and exits when the next instance has taken everything,
 * when its baton says that the service has ended, and a while after the last server has exited without a baton to start
 * another: otherwise it would hold the ports for good.
 */
import { statSync } from "node:fs";
import { jsonBytes } from "../../platform/bytes.ts";
import { Fd } from "../../platform/fd.ts";
import { pathKey } from "../../platform/files/path_key.ts";
import { C } from "../../platform/libc/constants.ts";
import { UnixListener } from "../../platform/network/unix_listener.ts";
import type { Platform } from "../../platform/platform.ts";
import { processStat } from "../../platform/process/proc.ts";
import {
  ACKNOWLEDGMENT,
  type FdStoreReply,
  ITEMS_AT_A_TIME,
  ORDER,
  receiveMessage,
} from "./fd_store_protocol.ts";
import { parseJson } from "./fields.ts";
import { parseResumeState, type ResumeState } from "./resume_state.ts";
import { readState } from "./resumption.ts";
import { type PassingCalls, WaitingCalls } from "./waiting_calls.ts";

const BACKLOG = 8;
/** How long it stays after the last server has exited without a baton. */
const UNUSED_MS = 60_000;
/** How long it waits for the acknowledgment of a next instance that has received everything. */
const ACKNOWLEDGMENT_TIMEOUT_MS = 60_000;
const NO_TIMEOUT = -1;

interface FdStoreServerOptions {
  /** Number of the socket to its baton. */
  readonly control: number;
  readonly finalPath: string;
  /** Another fd-store process listens at the path: take its place once everything is here. */
  readonly isNext: boolean;
  readonly passing: PassingCalls;
}

export class FdStoreServer {
  readonly #items = new Map<string, Fd>();
  /** Null: the path cannot be used just now. */
  #listener: UnixListener | null = null;
  /** The second listener, at an abstract name, from the end of its baton on: nothing can remove it. */
  #abstractListener: Fd | null = null;
  #path: string;
  #state: Fd | null = null;
  readonly #control: Fd;
  /** Closed once its baton has exited. An upgrade in place closes `control`, and the baton lives on. */
  readonly #baton: Fd;

  constructor(readonly platform: Platform, readonly options: FdStoreServerOptions) {
    const { control, finalPath, isNext } = options;
    this.#control = new Fd(platform.libc, control);
    this.#baton = platform.processes.openPidfd(processStat("self")?.parent ?? 0);
    this.#path = isNext ? `${finalPath}.${platform.runtime.pid}` : finalPath;
    this.#listen();
    this.#send(this.#control, { kind: "holds" });
  }

  #send(socket: Fd, reply: FdStoreReply, fds: readonly Fd[] = []): void {
    this.platform.descriptors.send(socket, jsonBytes(reply), fds);
  }

  /** Listens at its path, if possible: what it holds matters more than where it is. */
  #listen(): void {
    const options = { type: "packets", backlog: BACKLOG, nonblocking: false } as const;
    try {
      const fresh = UnixListener.bind(this.platform.sockets, this.#path, options);
      this.#listener?.fd.close();
      this.#listener = fresh;
    } catch {
      // The present one stays.
    }
  }

  /** Listens at a second address, for a next instance that does not find the path. */
  #listenAbstractly(): void {
    const { sockets } = this.platform;
    const fd = sockets.packets();
    try {
      sockets.bindUnix(fd, abstractNameOf(this.options.finalPath));
      sockets.listen(fd, BACKLOG);
      this.#abstractListener = fd;
    } catch {
      fd.close();
    }
  }

  get #listeners(): Fd[] {
    return [this.#listener?.fd ?? [], this.#abstractListener ?? []].flat();
  }

  run(): void {
    const isWanted = this.#serveOwner();
    if (isWanted && this.#state !== null) this.#awaitNextInstance(this.#state);
    this.#listener?.close();
  }

  /** Carries out its baton's orders until that exits. @returns false when the service has ended */
  #serveOwner(): boolean {
    for (;;) {
      const message = receiveMessage(this.platform.descriptors, this.#control);
      if (message === null) return true;
      const order = parseJson(ORDER, message.data);
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
    if (this.#path === this.options.finalPath) return;
    this.#path = this.options.finalPath;
    try {
      this.#listener?.moveTo(this.options.finalPath);
    } catch {
      this.#listen();
    }
  }

  #awaitNextInstance(stateFd: Fd): void {
    const { descriptors, processes, sockets } = this.platform;
    const state = parseResumeState(readState(stateFd.number));
    const servers = state.generations.flatMap(({ workers }) => workers)
      .filter(({ pid, startTime }) => processStat(pid)?.startTime === startTime)
      .map(({ pid }) => processes.openPidfd(pid));
    this.#listenAbstractly();
    const hasClient = () => descriptors.waitReadable(this.#listeners, 0).length > 0;
    if (!mayBeRecovered(state) && !hasClient()) {
      // As the kernel does to servers that do not outlive their baton.
      return servers.forEach((pidfd) => processes.signalThrough(pidfd, C.SIGTERM));
    }
    const calls = new WaitingCalls(
      this.platform,
      state,
      this.#items,
      this.options.passing(state.groups),
    );
    for (;;) {
      const alive = servers.filter((pidfd) => pidfd.isOpen);
      const timeoutMs = alive.length > 0 ? NO_TIMEOUT : UNUSED_MS;
      const listeners = this.#listeners;
      // While its baton lives, that one answers.
      const callers = this.#baton.isOpen ? [this.#baton] : calls.filters;
      const ready = descriptors.waitReadable([...listeners, ...alive, ...callers], timeoutMs);
      if (ready.length === 0) return;
      if (this.#baton.isOpen && ready.includes(this.#baton)) this.#baton.close();
      else calls.take(ready);
      const listener = listeners.find((fd) => ready.includes(fd));
      alive.filter((pidfd) => ready.includes(pidfd)).forEach((pidfd) => pidfd.close());
      if (listener === undefined) {
        // The servers have exited, and a successor has an fd-store process of its own at the path.
        if (alive.every((pidfd) => !pidfd.isOpen) && this.#isReplaced) return;
        continue;
      }
      using client = sockets.accept(listener);
      using withCalls = calls.stateWithCalls();
      if (client !== null && this.#sendEverything(client, withCalls ?? stateFd)) return;
      // A next instance that died after its own fd-store process had everything.
      if (this.#isReplaced) return;
    }
  }

  /** @returns whether the next instance has acknowledged it */
  #sendEverything(client: Fd, stateFd: Fd): boolean {
    const { sockets, descriptors, processes } = this.platform;
    if (!processes.trustsUser(sockets.peerCredentials(client).uid)) return false;
    try {
      descriptors.setNonblocking(client, false);
      sockets.setTimeouts(client, ACKNOWLEDGMENT_TIMEOUT_MS);
      const items = [...this.#items];
      while (items.length > 0) {
        const some = items.splice(0, ITEMS_AT_A_TIME);
        const names = some.map(([name]) => name);
        this.#send(client, { kind: "items", names }, some.map(([, fd]) => fd));
      }
      this.#send(client, { kind: "state" }, [stateFd]);
      const answer = receiveMessage(descriptors, client);
      return answer !== null && parseJson(ACKNOWLEDGMENT, answer.data).kind === "taken";
    } catch {
      return false;
    }
  }

  /** Whether another fd-store process listens at the path; false where nothing does: the path was removed. */
  get #isReplaced(): boolean {
    return statSync(this.#path, { throwIfNoEntry: false }) !== undefined &&
      !(this.#listener?.isInPlace ?? false);
  }
}

/**
 * Whether a next instance may continue with this state: not while another baton serves, that is, one that has taken
 * over, or that this one had not taken over from yet.
 */
function mayBeRecovered({ service }: ResumeState): boolean {
  return service.served && (service.shutdown?.handedOver ?? null) === null;
}

/** Where the fd-store process of `path` listens, too. */
export function abstractNameOf(path: string): string {
  return `@baton-hold-${pathKey(path)}`;
}
