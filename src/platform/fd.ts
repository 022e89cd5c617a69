/**
 * Owned descriptors. A function that takes an `Fd` borrows it unless its name begins with `take`.
 * `using fd = ...` closes it at the end of the block; closing twice is harmless.
 */
import type { Libc } from "./libc/libc.ts";

/** Descriptors from here on are free to be passed: 0, 1 and 2 are standard input, output and error. */
export const FIRST_PASSED_DESCRIPTOR = 3;

export function numberOf(fd: Fd | number): number {
  return typeof fd === "number" ? fd : fd.number;
}

export class Fd implements Disposable {
  #number: number;

  constructor(readonly libc: Libc, number: number) {
    this.#number = number;
  }

  /** Owns what a system call returned. @throws {SystemCallError} when that is not a descriptor */
  static of(libc: Libc, result: number, call: string, subject: string): Fd {
    return new Fd(libc, libc.check(result, call, subject));
  }

  /** The descriptor number. @throws {Error} after close: a stale number may be another file by now */
  get number(): number {
    if (this.#number < 0) throw new Error("Cannot use a descriptor that is closed");
    return this.#number;
  }

  get isOpen(): boolean {
    return this.#number >= 0;
  }

  /** Gives the number away: this object no longer closes it. */
  release(): number {
    const number = this.number;
    this.#number = -1;
    return number;
  }

  /** close(2). Its result is ignored on purpose: on Linux the descriptor is gone in every case. */
  close(): void {
    if (this.#number < 0) return;
    const number = this.#number;
    this.#number = -1;
    this.libc.c.close(number);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
