/**
 * Time. What waits gets a `Clock`, so that a test can give it one that it moves by hand (test/support/fake_clock.ts);
 * the kernel's own clocks are here too, where the runtime's do not say which clock they are. clock_gettime(2)
 */
import { readFileSync } from "node:fs";
import { C } from "./libc/constants.ts";
import { type Libc, struct } from "./libc/libc.ts";

/** A timer that has been set. */
export interface Timer {
  /** It does not fire any more; harmless when it has fired. */
  cancel(): void;
}

export interface Clock {
  /** Milliseconds on a clock that never goes back. Its zero means nothing. */
  now(): number;
  /** Milliseconds since 1970, for what people read and for records. */
  wallMs(): number;
  /** Calls `fire` once, after `delayMs` milliseconds (at most 2^31 - 1, as setTimeout). */
  after(delayMs: number, fire: () => void): Timer;
}

/** The real time. */
export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  wallMs: () => Date.now(),
  after: (delayMs, fire) => {
    const timer = setTimeout(fire, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};

const NS_PER_US = 1000n;
const US_PER_S = 1_000_000n;

/** @returns CLOCK_MONOTONIC in microseconds, as systemd's MONOTONIC_USEC= wants it */
export function monotonicMicroseconds(libc: Libc): bigint {
  // struct timespec { time_t tv_sec; long tv_nsec; }
  const { bytes, view } = struct(16);
  libc.check(libc.c.clock_gettime(C.CLOCK_MONOTONIC, bytes), "clock_gettime", "CLOCK_MONOTONIC");
  return view.getBigInt64(0, true) * US_PER_S + view.getBigInt64(8, true) / NS_PER_US;
}

/** Of which user space sees 100 a second, whatever the kernel's own are (proc_pid_stat(5), sysconf(3)). */
const TICKS_PER_S = 100;

/** Now, as start times of processes are told: clock ticks after boot, time asleep included. */
export function ticksNow(): number {
  return Math.floor(Number.parseFloat(readFileSync("/proc/uptime", "utf8")) * TICKS_PER_S);
}
