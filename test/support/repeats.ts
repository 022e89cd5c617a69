/** How often a test repeats what it is about: a few times in `make test`, in full in `make test-all` and `make soak`. */
import process from "node:process";

/** @param full with BATON_TEST_FULL=1 @param quick otherwise */
export function repeats({ full, quick }: { full: number; quick: number }): number {
  return process.env["BATON_TEST_FULL"] === "1" ? full : quick;
}
