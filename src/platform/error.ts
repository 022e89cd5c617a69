/** The error of a system call: which call, on what, which errno. */
import { errnoName } from "./libc/constants.ts";

/** Thrown by every wrapper in `platform/` when the kernel refuses. */
export class SystemCallError extends Error {
  override readonly name = "SystemCallError";
  /** @param call name as in section 2 of the manual. @param subject what it was tried on */
  constructor(readonly call: string, readonly errno: number, readonly subject: string) {
    super(`Cannot ${call} ${subject}: ${errnoName(errno)}`);
  }

  /** Name of the errno: "EADDRINUSE". */
  get code(): string {
    return errnoName(this.errno);
  }
}

/** @returns null when a system call of `ask` fails */
export function orNull<T>(ask: () => T): T | null {
  try {
    return ask();
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    return null;
  }
}

/** @returns the message of anything that was thrown */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
