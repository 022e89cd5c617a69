/** Runs a call_list.ts in this process, as machine_code.ts does where a program of ours may be executed. */
import { SystemCallError } from "../error.ts";
import type { Fd } from "../fd.ts";
import { C } from "../libc/constants.ts";
import type { Libc } from "../libc/libc.ts";
import {
  AFTER_FAILURE,
  AFTER_THAT,
  CALL_SIZE,
  CALLS_AT,
  EXPECTED,
  MEMORY_ADDRESS,
  MEMORY_OFFSET,
  RESULT_ADDRESS,
  TO_NEXT,
  TOLERATED,
} from "./call_list.ts";

/** Flag of mmap(2) that older kernels do not know: they take the address as a wish. */
const MAP_FIXED_NOREPLACE = 0x100000;
const SEEK_END = 2;
const ARGUMENTS = [8, 16, 24, 32, 40] as const;

/** @param file what `programFile` made @throws {SystemCallError} when its memory cannot be where it was laid out for */
export function runCalls(libc: Libc, file: Fd): never {
  const view = mapped(libc, file);
  const number = (at: number) => Number(view.getBigInt64(at, true));
  const offset = (at: number) => number(at) - MEMORY_ADDRESS;
  for (let at = CALLS_AT;;) {
    const [a, b, c, d, e] = ARGUMENTS.map((each) => number(at + each));
    const value = libc.c.syscall(number(at), a!, b!, c!, d!, e!);
    const result = value < 0 ? -libc.errno : value;
    const expected = number(at + EXPECTED);
    if (result >= 0 && (expected < 0 || result === expected)) {
      view.setInt32(offset(at + RESULT_ADDRESS), result, true);
      at += number(at + TO_NEXT);
    } else if (
      result < 0 && [0, 8, 16].some((each) => number(at + TOLERATED + each) === result)
    ) {
      at += CALL_SIZE;
    } else {
      view.setInt32(0, result, true);
      view.setUint32(4, (MEMORY_ADDRESS + at) % 2 ** 32, true);
      at = offset(AFTER_FAILURE);
      view.setBigInt64(AFTER_FAILURE, view.getBigInt64(AFTER_THAT, true), true);
    }
  }
}

function mapped(libc: Libc, file: Fd): DataView {
  const length = libc.c.lseek(file.number, 0, SEEK_END) - MEMORY_OFFSET;
  const address = libc.c.mmap(
    MEMORY_ADDRESS,
    length,
    C.PROT_READ | C.PROT_WRITE,
    C.MAP_PRIVATE | MAP_FIXED_NOREPLACE,
    file.number,
    MEMORY_OFFSET,
  );
  const subject = `a list of calls at ${MEMORY_ADDRESS}`;
  libc.check(address, "mmap", subject);
  if (address !== MEMORY_ADDRESS) throw new SystemCallError("mmap", C.EADDRINUSE, subject);
  const { buffer, byteOffset } = libc.runtime.viewOf(address, length);
  return new DataView(buffer, byteOffset, length);
}
