/** Decodes the status of wait(2). */

/** Exit status for an unknown one: not 0, because a service manager must not see a success. */
const UNKNOWN_STATUS = 1;
/** The low byte of a status whose process was stopped: WIFSTOPPED. */
const STOPPED = 0x7f;

/** How a process ended. */
export type ExitStatus =
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "signalled"; readonly signal: number }
  /** The process was no child of this one: the kernel reports its end without the status. */
  | { readonly kind: "unknown" };

/** A child that has been reaped. */
export interface Reaped {
  readonly pid: number;
  readonly status: ExitStatus;
}

/** A child that was stopped by a signal, and can be continued. */
export interface Stopped {
  readonly pid: number;
  readonly stoppedBy: number;
}

/** @returns the exit status as a shell reports it: the code, or 128 + signal */
export function shellStatus(status: ExitStatus): number {
  if (status.kind === "unknown") return UNKNOWN_STATUS;
  return status.kind === "exited" ? status.code : 128 + status.signal;
}

/** The macros WIFEXITED, WEXITSTATUS, WTERMSIG. */
export function decodeWaitStatus(status: number): ExitStatus {
  const signal = status & 0x7f;
  if (signal === 0) return { kind: "exited", code: (status >> 8) & 0xff };
  return { kind: "signalled", signal };
}

/** The macro WSTOPSIG; null: it was not stopped. */
export function stopSignalOf(status: number): number | null {
  return (status & 0xff) === STOPPED ? (status >> 8) & 0xff : null;
}
