/**
 * Makes a system call return early that a thread of another process is blocked in, as at a signal without a handler: it
 * returns what it has got so far, and begins again if it has got nothing. No signal is sent, and neither that process nor
 * its parent sees anything of it. ptrace(2)
 */
import { orNull, SystemCallError } from "./error.ts";
import type { Libc } from "./libc/libc.ts";
import { processStat } from "./process/proc.ts";

/** <sys/ptrace.h>. `test/platform/constants_test.ts` compares each with what a C compiler says. */
export const PTRACE = {
  PTRACE_DETACH: 17,
  PTRACE_SEIZE: 0x4206,
  PTRACE_INTERRUPT: 0x4207,
} as const;

export class Interruption {
  constructor(readonly libc: Libc, readonly tid: number) {}

  /**
   * Begins: from here on the thread is traced by this one, and stops as soon as it runs: `end` must follow.
   * @throws {SystemCallError} EPERM: another user's, or somebody traces it already; ESRCH: it has ended
   */
  begin(): void {
    this.#ptrace("PTRACE_SEIZE");
    // The thread may have ended meanwhile.
    orNull(() => this.#ptrace("PTRACE_INTERRUPT"));
  }

  /** @returns whether the thread runs on; false: it has not stopped yet, and this must be called again */
  end(): boolean {
    try {
      this.#ptrace("PTRACE_DETACH");
      return true;
    } catch (error) {
      if (!(error instanceof SystemCallError) || error.code !== "ESRCH") throw error;
      const stat = processStat(this.tid);
      return stat === null || stat.state === "Z" || stat.state === "X";
    }
  }

  #ptrace(request: keyof typeof PTRACE): void {
    const { c, arch } = this.libc;
    const result = c.syscall(arch.SYS_ptrace, PTRACE[request], this.tid, 0, 0, 0);
    this.libc.check(result, request, `thread ${this.tid}`);
  }
}
