/**
 * The C library, loaded once per process, with errno and the few conversions all wrappers need.
 *
 * errno is read in the statement after the call, through a mapped view of `__errno_location()` of
 * this thread: a second FFI call in between would lose it. Where the runtime itself may change it meanwhile, most calls
 * return it (raw_calls.ts), and the others are asked for it at once.
 * Buffers that a struct points to must stay referenced until the call returned: `keep` them.
 */
import type { Library, Runtime } from "../runtime/runtime.ts";
import { encodeBytes } from "../bytes.ts";
import { SystemCallError } from "../error.ts";
import { ARCH, type ArchConstants } from "./arch.ts";
import { C } from "./constants.ts";
import { LIBC, LIBC_NAMES } from "./symbols.ts";

export class Libc {
  readonly c: Library<typeof LIBC>;
  readonly arch: ArchConstants;
  /** errno of the C library, in this thread. */
  readonly #errno: Int32Array;
  /** errno of the call that failed last; null: the runtime loses none. */
  #kept: number | null = null;

  constructor(readonly runtime: Runtime) {
    const c = runtime.openLibrary(LIBC_NAMES, LIBC);
    this.arch = ARCH[runtime.arch];
    const bytes = runtime.viewOf(c.__errno_location(), 4);
    this.#errno = new Int32Array(bytes.buffer, bytes.byteOffset, 1);
    this.c = runtime.rawCalls === null ? c : this.#keepingErrno(c, runtime.rawCalls);
  }

  #keepingErrno(
    c: Library<typeof LIBC>,
    rawCalls: NonNullable<Runtime["rawCalls"]>,
  ): Library<typeof LIBC> {
    const keep = (errno: number) => {
      this.#kept = errno;
      return -1;
    };
    const named = this.runtime.openLibrary(
      LIBC_NAMES,
      LIBC,
      (result) => result === -1 ? keep(this.#errno[0]!) : result,
    );
    const raw = rawCalls(c, keep);
    // Each of the two binds a function when it is first asked for it: what the one has not comes from the other.
    return raw === null ? named : Object.setPrototypeOf(raw, named);
  }

  /** errno of the call just made. */
  get errno(): number {
    return this.#kept ?? this.#errno[0]!;
  }

  /** @returns `result` if it is not -1. @throws {SystemCallError} with errno otherwise */
  check(result: number, call: string, subject: string): number {
    if (result < 0) throw new SystemCallError(call, this.errno, subject);
    return result;
  }

  /** Repeats `call` while it fails with EINTR. */
  retry(call: () => number): number {
    for (;;) {
      const result = call();
      if (result !== -1 || this.errno !== C.EINTR) return result;
    }
  }

  addressOf(view: Uint8Array): number {
    return this.runtime.addressOf(view);
  }
}

/** @returns the bytes of `text` (`bytes.ts`) with a final NUL. @throws {TypeError} when it holds a NUL, which C would cut at */
export function cString(text: string): Uint8Array {
  if (text.includes("\0")) {
    throw new TypeError(`Cannot pass a NUL byte to C: ${JSON.stringify(text)}`);
  }
  return encodeBytes(text + "\0");
}

/** `char *const[]`, ended by NULL. @returns also what it points to: hold on to `keep` until the call is over */
export function cStringArray(libc: Libc, texts: readonly string[]) {
  const keep = texts.map(cString);
  const array = new BigUint64Array(keep.length + 1);
  keep.forEach((bytes, i) => array[i] = BigInt(libc.addressOf(bytes)));
  return { array: new Uint8Array(array.buffer), keep };
}

/** A buffer with a DataView over it; all structs here are little endian. */
export function struct(size: number): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(size);
  return { bytes, view: new DataView(bytes.buffer) };
}
