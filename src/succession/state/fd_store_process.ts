/**
 * The fd-store process (`fd_store_server.ts`) as seen by its baton: starts it, sends to it, and starts another one when
 * it is gone.
 *
 * When `put` and `save` return, the message is in the socket of the fd-store process, whatever happens to this process.
 */
import { jsonBytes } from "../../platform/bytes.ts";
import { errorText } from "../../platform/error.ts";
import type { Fd } from "../../platform/fd.ts";
import { C } from "../../platform/libc/constants.ts";
import type { Platform } from "../../platform/platform.ts";
import { HelperProcess } from "../../platform/process/helper_process.ts";
import { type FdStoreOrder, HOLD_VERB, REPLY } from "./fd_store_protocol.ts";
import { parseJson } from "./fields.ts";
import type { FdStore } from "./state_writer.ts";

/** An fd-store process that does not read for this long, or does not start, is replaced. */
const TIMEOUT_MS = 10_000;

interface FdStoreProcessOptions {
  readonly path: string;
  /** Whether another fd-store process listens there, and must stay until this one has everything. */
  readonly isNext: boolean;
  readonly onStarted: (pid: number) => void;
  /** The process was gone, and another one was started: everything must be given to it again. */
  readonly onLost: () => void;
}

export class FdStoreProcess implements FdStore {
  readonly payload = [];
  /** The next baton starts one of its own, which takes the place of this one. */
  readonly isOfUnit = false;
  #helper: HelperProcess;

  /** @throws {Error} when it cannot be started */
  constructor(readonly platform: Platform, readonly options: FdStoreProcessOptions) {
    this.#helper = this.#start(options.isNext ? "next" : "new");
  }

  #start(mode: "next" | "new"): HelperProcess {
    using nothing = this.platform.descriptors.open("/dev/null", C.O_RDWR);
    const helper = new HelperProcess(this.platform, {
      verb: HOLD_VERB,
      args: [this.options.path, mode],
      descriptors: [nothing, nothing, nothing],
    });
    try {
      const { kind } = parseJson(REPLY, helper.awaitMessage(TIMEOUT_MS).data);
      if (kind !== "holds") throw new Error(`it said ${kind}`);
    } catch (error) {
      helper.kill();
      throw new Error(`Cannot start an fd-store process for --survive: ${errorText(error)}`);
    }
    this.options.onStarted(helper.pid);
    helper.listen({
      onMessage: ({ fds }) => fds.forEach((fd) => fd.close()),
      onClosed: () => {
        this.#helper = this.#start("new");
        this.options.onLost();
      },
    });
    return helper;
  }

  put(name: string, fd: Fd): void {
    this.#send({ kind: "put", name }, [fd]);
  }

  drop(name: string): void {
    this.#send({ kind: "drop", name });
  }

  save(text: string): void {
    const bytes = new TextEncoder().encode(text);
    using memory = this.platform.descriptors.sealedMemfd("baton-state", bytes);
    this.#send({ kind: "save" }, [memory]);
  }

  /** Sends one order. @throws {SystemCallError} when the process is gone, or does not read */
  #send(order: FdStoreOrder, fds: readonly Fd[] = []): void {
    this.#helper.send(jsonBytes(order), fds);
  }

  /** Its socket, to which the next instance would connect, was removed. */
  listenAgain(): void {
    this.#send({ kind: "listen" });
  }

  end(): void {
    try {
      this.#send({ kind: "end" });
    } catch {
      // The process is gone already.
    }
    this.#helper.disconnect();
  }
}
