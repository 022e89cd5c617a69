/** How often a test repeats what it is about: a few times in `make test`, in full in `make test-all` and `make soak`. */
import process from "node:process";

/** Whether this is `make test-all` or `make soak`. */
export const IS_FULL = process.env["BATON_TEST_FULL"] === "1";

/** @param full with BATON_TEST_FULL=1 @param quick otherwise */
export function repeats({ full, quick }: { full: number; quick: number }): number {
  return IS_FULL ? full : quick;
}
