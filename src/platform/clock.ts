/** The kernel's clocks, where the runtime's own do not say which clock they are. clock_gettime(2) */
import { C } from "./libc/constants.ts";
import { struct } from "./libc/libc.ts";
import type { Libc } from "./libc/libc.ts";

const NS_PER_US = 1000n;
const US_PER_S = 1_000_000n;

/** @returns CLOCK_MONOTONIC in microseconds, as systemd's MONOTONIC_USEC= wants it */
export function monotonicMicroseconds(libc: Libc): bigint {
  // struct timespec { time_t tv_sec; long tv_nsec; }
  const { bytes, view } = struct(16);
  libc.check(libc.c.clock_gettime(C.CLOCK_MONOTONIC, bytes), "clock_gettime", "CLOCK_MONOTONIC");
  return view.getBigInt64(0, true) * US_PER_S + view.getBigInt64(8, true) / NS_PER_US;
}
