/** Duplicates by pidfd_getfd(2): costs nothing until a bind, and needs the right to ptrace(2) the server. Linux 5.6. */
import { SystemCallError } from "../../platform/error.ts";
import type { Fd } from "../../platform/fd.ts";
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

  duplicate({ pid, descriptor }: CallerDescriptor, owner: ListenerOwner): Fd | null {
    const { processes } = this.platform;
    try {
      using pidfd = processes.openPidfd(pid);
      return processes.duplicateFrom(pidfd, descriptor);
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      // EBADF and ESRCH are the caller's own business; a refusal is not.
      if (error.errno === C.EPERM || error.errno === C.ENOSYS) {
        owner.onConflict(
          `${error.message}: baton may not take a duplicate of the server's socket ` +
            `(CAP_SYS_PTRACE, kernel 5.6): say --duplicates socket-trap, run "baton doctor", or use --listen`,
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
