/**
 * THE SWITCH at all addresses: one step of the kernel for each, a program or a rename, with nothing in between. Clients
 * see each address switch at once, and two addresses within microseconds: both generations are ready then. Paths come
 * first, since only a rename can fail (a file system that has become read-only); whatever fails, all others are switched.
 */
import type { Group } from "./group.ts";
import type { Member } from "./member.ts";

/** @throws what was thrown first */
export function steerAll(
  groups: readonly Group[],
  chosenOf: (group: Group) => readonly Member[],
): void {
  const errors: unknown[] = [];
  for (
    const group of groups.toSorted((a, b) => Number(a.path === null) - Number(b.path === null))
  ) {
    try {
      group.steerTo(chosenOf(group));
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
