/**
 * Time. Everything that waits gets a `Clock`, so that a test can pass one that it moves by hand. The kernel's own
 * clocks are here too, because the runtime's do not say which clock they read. clock_gettime(2)
 */
import { C } from "./libc/constants.ts";
import { type Libc, struct } from "./libc/libc.ts";
import type { Runtime } from "./runtime/runtime.ts";

export interface Timer {
  /** Cancels the timer; harmless after it has fired. */
  cancel(): void;
}

export interface Clock {
  /** Milliseconds on a clock that never goes back. Its zero means nothing. */
  now(): number;
  /** Milliseconds since 1970, for messages and records. */
  wallMs(): number;
  /** Calls `fire` once, after `delayMs` milliseconds: at most 2^31 - 1, and from 1 on whole ones, as setTimeout. */
  after(delayMs: number, fire: () => void): Timer;
}

export function systemClock({ shortPause }: Pick<Runtime, "shortPause">): Clock {
  return {
    now: () => performance.now(),
    wallMs: () => Date.now(),
    after: (delayMs, fire) => {
      let isOver = false;
      const once = () => {
        if (isOver) return;
        isOver = true;
        clearTimeout(timer);
        fire();
      };
      // Also where there is a shorter way: that does not keep the program alive.
      const timer = setTimeout(once, delayMs);
      if (delayMs > 0 && delayMs < 1) void shortPause?.(delayMs).then(once);
      return {
        cancel: () => {
          isOver = true;
          clearTimeout(timer);
        },
      };
    },
  };
}

export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => void clock.after(delayMs, resolve));
}

const NS_PER_US = 1000n;
const US_PER_S = 1_000_000n;

/** @returns CLOCK_MONOTONIC in microseconds, as systemd's MONOTONIC_USEC= wants it */
export function monotonicMicroseconds(libc: Libc): bigint {
  // struct timespec { time_t tv_sec; long tv_nsec; }
  const { bytes, view } = struct(16);
  libc.check(libc.c.clock_gettime(C.CLOCK_MONOTONIC, bytes), "clock_gettime", "CLOCK_MONOTONIC");
  return view.getBigInt64(0, true) * US_PER_S + view.getBigInt64(8, true) / NS_PER_US;
}

/**
 * Clock ticks in a second: user space always sees 100, independent of the kernel's own tick (proc_pid_stat(5),
 * sysconf(3)).
 */
export const TICKS_PER_S = 100;

const NS_PER_TICK = 10_000_000;

/** Now, in the unit of process start times: clock ticks after boot, suspended time included. ProcSubset=pid hides /proc/uptime. */
export function ticksNow(libc: Libc): number {
  const { bytes, view } = struct(16);
  libc.check(libc.c.clock_gettime(C.CLOCK_BOOTTIME, bytes), "clock_gettime", "CLOCK_BOOTTIME");
  const [seconds, nanoseconds] = [view.getBigInt64(0, true), view.getBigInt64(8, true)];
  return Number(seconds) * TICKS_PER_S + Math.floor(Number(nanoseconds) / NS_PER_TICK);
}
