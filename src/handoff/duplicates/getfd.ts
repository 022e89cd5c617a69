/** Duplicates by pidfd_getfd(2): costs nothing until a bind, and needs the right to ptrace(2) the server. Linux 5.6. */
import { SystemCallError } from "../../platform/error.ts";
import type { Fd } from "../../platform/fd.ts";
import { SINCE } from "../../platform/kernel.ts";
import { C } from "../../platform/libc/constants.ts";
import type { Platform } from "../../platform/platform.ts";
import type { CallRule } from "../../platform/process/call_filter.ts";
import type { ListenerOwner } from "../listener_owner.ts";
import type { CallerDescriptor, DuplicateSource } from "./source.ts";

export class GetfdSource implements DuplicateSource {
  readonly rules: readonly CallRule[] = [];
  readonly passing = [];
  readonly unsuited = null;

  constructor(readonly platform: Platform) {}

  rulesFor(): readonly CallRule[] {
    return this.rules;
  }

  isReplacing(): boolean {
    return false;
  }

  duplicate(of: CallerDescriptor, owner: ListenerOwner): Fd | null {
    const { pid, descriptor } = of;
    const { processes } = this.platform;
    try {
      using pidfd = processes.openPidfd(pid);
      return processes.duplicateFrom(pidfd, descriptor);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      // EBADF and ESRCH are the caller's own business, unless its thread has it; a refusal is not.
      if (error.errno !== C.EPERM && error.errno !== C.ENOSYS) return this.#ofThread(of, owner);
      owner.onConflict(
        `${error.message}: baton may not take a duplicate of the server's socket ` +
          `(CAP_SYS_PTRACE, kernel 5.6): say --duplicates socket-trap, run "baton doctor", or use --listen`,
      );
      return null;
    }
  }

  /**
   * The process has nothing at that number where its first thread has ended (pthread_exit(3) in main), or where the
   * caller has descriptors of its own (unshare(2)): the thread has.
   */
  #ofThread({ call: { tid }, pid, descriptor }: CallerDescriptor, owner: ListenerOwner): Fd | null {
    if (tid === pid) return null;
    const { processes } = this.platform;
    try {
      using pidfd = processes.openPidfd(tid, C.O_EXCL);
      return processes.duplicateFrom(pidfd, descriptor);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      if (error.errno === C.EINVAL) {
        owner.onHint(
          "its first thread has ended, or has other descriptors than the one that binds: before Linux " +
            `${SINCE.threads_descriptors} that needs --duplicates socket-trap`,
        );
      }
      return null;
    }
  }

  mayPass(): boolean {
    return false;
  }

  handle(): "continue" {
    return "continue";
  }

  settle(): void {}

  look(): void {}

  forget(): void {}
}
