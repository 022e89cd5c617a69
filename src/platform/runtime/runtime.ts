/**
 * The seam between baton and the JavaScript runtime it happens to run on.
 *
 * `bun.ts` and `deno.ts` implement it. They are imported by `main_bun.ts`, `main_deno.ts` and the tests' support only:
 * a bundle that holds both would not load on Deno (docs/architecture.md, "Two entries").
 */
/** Types of the C calling convention that baton's prototypes use, by Deno's names. */
type FfiArgument = "i32" | "u32" | "i64" | "buffer";
/** Types of results; `address` is a pointer as a number. */
export type FfiResult = "i32" | "i64" | "address";

/** C prototypes by symbol name. */
export type PrototypeTable = Readonly<
  Record<string, { readonly parameters: readonly FfiArgument[]; readonly result: FfiResult }>
>;

type ArgumentOf<T extends FfiArgument> = T extends "buffer" ? Uint8Array | null : number;
type ArgumentsOf<T extends readonly FfiArgument[]> = {
  -readonly [K in keyof T]: ArgumentOf<T[K]>;
};

/** The functions of a table, callable. 64-bit numbers are passed as JS numbers (all of ours fit). */
export type Library<T extends PrototypeTable> = {
  readonly [K in keyof T]: (...values: ArgumentsOf<T[K]["parameters"]>) => number;
};

/** What becomes of the result of each call, at once. */
export type OnResult = (result: number) => number;

/** Functions of the C library that make a file. */
export interface FileCalls {
  memfd_create(name: Uint8Array, flags: number): number;
  write(fd: number, data: Uint8Array, length: number): number;
  close(fd: number): number;
}

/** Keeps the errno of a call that has failed. @returns the result of the call then */
export type KeepErrno = (errno: number) => number;

/** A batch `[events, token, events, token, ...]`, or one system call that is to be answered and armed again. */
export type PollMessage = readonly number[] | PolledCall;

export interface PolledCall {
  readonly token: number;
  /** The notify descriptor that it was received from. */
  readonly fd: number;
  /** struct seccomp_notif; null: there was none after all. */
  readonly call: Uint8Array | null;
}

export const PASSING_COUNT_MASK = 0xff;

export interface PollOptions {
  readonly epollFd: number;
  /** The thread ends when the epoll set reports it. */
  readonly stopToken: number;
  /**
   * 32-bit integers: how many pairs follow (PASSING_COUNT_MASK) and a number that changes with the list, then the pairs,
   * each of a system call that passes and its notify descriptor, 0 = any.
   */
  readonly passing: SharedArrayBuffer;
  readonly onEvents: (message: PollMessage) => void;
}

export interface Runtime {
  readonly name: "bun" | "deno";
  readonly version: string;
  readonly arch: "x64" | "arm64";
  readonly pid: number;
  /** Arguments after the program itself; bytes that are not UTF-8 as in `bytes.ts`. */
  readonly argv: readonly string[];
  /** argv prefix that starts baton again as a new process: binary or script. */
  readonly selfCommand: readonly string[];
  /** The environment that this process was started with, as `environment.ts` has it; a new copy. */
  environ(): Record<string, string>;
  /** The environment that it was meant to have, as the server gets it (`hidden_environment.ts`); a new copy. */
  env(): Record<string, string>;
  /** Variables that change what this runtime does before baton's first instruction; null = it heeds none. */
  readonly heeds: RegExp | null;
  exit(status: number): never;
  /**
   * Gives memory back to the kernel. `garbage`: soon, of what is not used any more; `all`: once no code of baton's
   * runs, also what can be made again, such as compiled code. Where the runtime sees to that itself, nothing.
   */
  giveBackMemory(what: "garbage" | "all"): void;

  /** Opens the first of `names` that loads. @throws {Error} when none does */
  openLibrary<T extends PrototypeTable>(
    names: readonly string[],
    table: T,
    onResult?: OnResult,
  ): Library<T>;
  /**
   * Functions that return errno, of a runtime that may change it between a call and the next statement
   * (`libc/load_raw.ts`); null: it does not.
   */
  readonly rawCalls: ((c: FileCalls, keep: KeepErrno) => object | null) | null;
  /** Address of a buffer's first byte; the buffer must be kept referenced while it is used. */
  addressOf(view: Uint8Array): number;
  /** A view of `length` bytes of foreign memory. */
  viewOf(address: number, length: number): Uint8Array;

  /**
   * Resolves after a part of a millisecond, to within a tenth of one. Null: this runtime has only timers with a resolution of
   * a millisecond, as setTimeout.
   */
  readonly shortPause: ((delayMs: number) => Promise<unknown>) | null;

  /** Sets what gets uncaught errors in a timer or a signal handler; the process continues. */
  onUncaught(handler: (error: unknown) => void): void;
  /** Calls `handler` for each signal. @param signal "SIGHUP". @returns removes the handler */
  onSignal(signal: string, handler: () => void): () => void;
  /** Starts the thread of `poll_thread.ts`. @returns resolves when it is gone */
  startPollThread(options: PollOptions): Promise<void>;
}
