/**
 * A holder (`holder.ts`) as a place that outlives its baton: starts it, talks to it, and starts another one
 * when it has gone.
 *
 * When `put` and `save` return, what they were given is in the socket of the holder, whatever happens to this
 * process.
 */
import type { Fd } from "../../platform/fd.ts";
import { helperEnvironment } from "../../platform/process/hidden_environment.ts";
import { C } from "../../platform/libc/constants.ts";
import type { Platform } from "../../platform/platform.ts";
import type { Watch } from "../../platform/reactor.ts";
import {
  decodeMessage,
  encodeMessage,
  type FdStoreOrder,
  type FdStoreReply,
  HOLD_MESSAGE_LIMIT,
  HOLD_VERB,
} from "./fd_store_protocol.ts";
import type { FdStore } from "./state_writer.ts";

const CONTROL_DESCRIPTOR = 3;
/** A holder that does not read for this long, or does not start, is replaced. */
const HOLDER_TIMEOUT_MS = 10_000;

interface HolderProcess {
  readonly control: Fd;
  readonly watch: Watch;
}

interface FdStoreProcessOptions {
  readonly path: string;
  /** Another holder is there, which must go on until this one has everything. */
  readonly isNext: boolean;
  readonly onStarted: (pid: number) => void;
}

export class FdStoreProcess implements FdStore {
  readonly foundNames = [];
  readonly payload = [];
  /** The next baton starts a holder of its own, which takes the place of this one. */
  readonly isOfUnit = false;
  onLost: () => void = () => {};
  #holder: HolderProcess;
  #isNext: boolean;

  /** @throws {Error} when no holder can be started */
  constructor(readonly platform: Platform, readonly options: FdStoreProcessOptions) {
    this.#isNext = options.isNext;
    this.#holder = this.#start();
  }

  #start(): HolderProcess {
    const { runtime, sockets, descriptors, processes, reactor } = this.platform;
    const [ours, theirs] = sockets.pair();
    const [program = "", ...prefix] = runtime.selfCommand;
    const mode = this.#isNext ? "next" : "new";
    using nothing = descriptors.open("/dev/null", C.O_RDWR);
    const pid = processes.spawn({
      path: program,
      argv: [
        "baton",
        ...prefix,
        HOLD_VERB,
        String(CONTROL_DESCRIPTOR),
        this.options.path,
        mode,
      ],
      env: helperEnvironment(runtime),
      descriptors: [nothing, nothing, nothing, theirs],
    });
    theirs.close();
    sockets.setTimeouts(ours, HOLDER_TIMEOUT_MS);
    const hello = descriptors.receive(ours, HOLD_MESSAGE_LIMIT);
    if (hello === null || decodeMessage<FdStoreReply>(hello.data)?.kind !== "holds") {
      ours.close();
      processes.signal(pid, C.SIGKILL);
      throw new Error(`Cannot start a holder for --survive: it did not say that it holds`);
    }
    this.options.onStarted(pid);
    // It never says anything else: this is its end.
    const watch = reactor.watch(ours, () => this.#onGone());
    this.#isNext = false;
    return { control: ours, watch };
  }

  #onGone(): void {
    this.#close();
    this.#holder = this.#start();
    this.onLost();
  }

  put(name: string, fd: Fd): void {
    this.#say({ kind: "put", name }, fd);
  }

  drop(name: string): void {
    this.#say({ kind: "drop", name }, null);
  }

  save(text: string): void {
    using memory = this.platform.descriptors.sealedMemfd(
      "baton-state",
      new TextEncoder().encode(text),
    );
    this.#say({ kind: "save" }, memory);
  }

  /** @throws {SystemCallError} when the holder has gone, or does not read */
  #say(order: FdStoreOrder, fd: Fd | null): void {
    const fds = fd === null ? [] : [fd];
    this.platform.descriptors.send(this.#holder.control, encodeMessage(order), fds);
  }

  /** The socket that the next baton would come to was removed. */
  listenAgain(): void {
    this.#say({ kind: "listen" }, null);
  }

  end(): void {
    try {
      this.#say({ kind: "end" }, null);
    } catch {
      // It has gone already.
    }
    this.#close();
  }

  #close(): void {
    this.#holder.watch.cancel();
    this.#holder.control.close();
  }
}
