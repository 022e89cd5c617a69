/**
 * System calls by which a candidate meets the serving generation. A signal to one of that one's processes is refused: a
 * failing candidate never touches the serving generation, and many a server tells the copy that it finds by a pid file to
 * replace itself, or to end. A Unix socket that is in use there is noted as the reason of a failure.
 */
import { C } from "../../platform/libc/constants.ts";
import { MOST_SPARED } from "../../launcher/plan.ts";
import type { Fd } from "../../platform/fd.ts";
import type { Platform } from "../../platform/platform.ts";
import { listeningSocketsOf } from "../../inspect/unix_sockets.ts";
import { pathExistsFor } from "../../platform/process/open_files.ts";
import * as proc from "../../platform/process/proc.ts";
import type { TrappedCall } from "../../platform/process/seccomp.ts";
import { signalName } from "../../config/values/signals.ts";

/** sizeof(struct sockaddr_un), and the offset of its path. */
const SOCKADDR_UN_SIZE = 110;
const PATH_OFFSET = 2;

/** The generation that serves; null: none does. */
export type Serving = () => { readonly epoch: number; processes(): number[] } | null;

interface CandidateCallsOptions {
  readonly platform: Pick<Platform, "seccomp" | "libc">;
  /** It has not passed its gate. */
  readonly isPending: () => boolean;
  readonly serving: Serving;
  readonly onHint: (text: string) => void;
}

export class CandidateCalls {
  /** A signal. */
  hasRefused = false;

  constructor(readonly options: CandidateCallsOptions) {}

  /** Processes that a candidate may not signal without baton's leave. Workers that come later are not among them. */
  get spared(): readonly number[] {
    return this.options.serving()?.processes().slice(0, MOST_SPARED) ?? [];
  }

  /** @returns whether the call has its answer */
  answer(notify: Fd, call: TrappedCall): boolean {
    const { platform: { libc: { arch }, seccomp } } = this.options;
    if (call.call === arch.SYS_bind) {
      try {
        this.#noteBind(notify, call);
      } catch {
        // It has not got its answer yet, and a hint is not worth a thread that waits forever.
      }
    }
    if (call.call !== arch.SYS_kill) return false;
    let isRefused = false;
    try {
      isRefused = this.#isRefused(call);
    } finally {
      // Without an answer its thread hangs forever.
      if (isRefused) seccomp.refuse(notify, call.id, C.ESRCH);
      else seccomp.continue(notify, call.id);
    }
    return true;
  }

  #isRefused({ tid, args }: TrappedCall): boolean {
    const serving = this.options.isPending() ? this.options.serving() : null;
    // In another namespace the number is another process's.
    if (serving === null || !proc.sharesNamespace(tid, "pid")) return false;
    const target = Math.abs(Number(BigInt.asIntN(32, args[0] ?? 0n)));
    if (!serving.processes().includes(target)) return false;
    const signal = Number(args[1] ?? 0n);
    const name = signalName(signal) ?? `signal ${signal}`;
    const process = `${proc.processName(target) ?? "?"}, pid ${target}`;
    this.options.onHint(
      `it tried to send ${name} to generation ${serving.epoch} (${process}), which baton refused: ` +
        "use a pid file for each generation, or none",
    );
    this.hasRefused = true;
    return true;
  }

  #noteBind(notify: Fd, { id, tid, args }: TrappedCall): void {
    const serving = this.options.isPending() ? this.options.serving() : null;
    if (serving === null) return;
    const length = Math.min(Number(args[2] ?? 0n), SOCKADDR_UN_SIZE);
    const address = proc.readMemory(tid, Number(args[1] ?? 0n), length);
    if (address === null || !this.options.platform.seccomp.isValid(notify, id)) return;
    const path = unixPath(address);
    if (path === null || !pathExistsFor(tid, path)) return;
    const holder = listeningSocketsOf(serving.processes()).find((socket) => socket.path === path);
    if (holder === undefined) return;
    const process = `${proc.processName(holder.pid) ?? "?"}, pid ${holder.pid}`;
    this.options.onHint(
      `it cannot bind the Unix socket ${path}: generation ${serving.epoch} (${process}) listens there`,
    );
  }
}

/** @returns the path in a `struct sockaddr_un`; null: it has none, or is an address of another family */
export function unixPath(address: Uint8Array): string | null {
  const view = new DataView(address.buffer, address.byteOffset, address.byteLength);
  if (address.length <= PATH_OFFSET || view.getUint16(0, true) !== C.AF_UNIX) return null;
  const bytes = address.subarray(PATH_OFFSET);
  const end = bytes.indexOf(0);
  const path = new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
  return path === "" ? null : path;
}
