/**
 * The model of one SO_REUSEPORT group: which listening socket has which index in the kernel's array.
 *
 * Guarantees: after the same `listen`, `close` and `shutdown` calls the model has every member at
 * the index where the kernel has it, and the compaction planner never proposes a removal that moves
 * a member which the attached program names. Pure and immutable: nothing here closes a socket.
 *
 * The kernel's rules, net/core/sock_reuseport.c (the same from Linux 4.5 to 6.18):
 * - `listen` appends (reuseport_add_sock); the first member makes the group (reuseport_alloc).
 * - The last close of a member, or shutdown(2) of it, takes it out (reuseport_detach_sock): the
 *   last element moves into the hole. With net.ipv4.tcp_migrate_req=1 shutdown puts the socket into
 *   a "closed" section of the same array, which no index reaches; the swap is the same.
 * - `listen` on a member that was shut down appends it again, at the end.
 * - The program belongs to the group, not to the member it was attached through: it stays until the
 *   last member has left. Attach through a *listening* member only: through one that is merely bound
 *   or was shut down the call succeeds, steers nothing, and that socket's next `listen` fails with
 *   EADDRINUSE (reuseport_attach_prog gives it a group of its own) [measured, Linux 6.18].
 * - With tcp_migrate_req=1 the queue of a member that is closed or shut down goes to the others by
 *   hash: the classic program is not asked, so dead members and candidates get their part
 *   (reuseport_migrate_sock) [measured]. So close only empty members.
 *
 * One group is one address *and* family, IPV6_V6ONLY, bound device and user id of the socket
 * (inet_reuseport_add_sock, net/ipv4/inet_hashtables.c): keep one array for each.
 */

/** Names one listening socket for as long as baton knows it; chosen by the caller, never reused. */
export type MemberId = number;

/**
 * The members of one group; the place in the array is the kernel's index. `listen` on a new member appends it; a second
 * `listen` on a listening socket only changes its backlog.
 */
export type KernelArray = readonly MemberId[];

/**
 * The group after the last close of a member, or after any process's shutdown(2) of it.
 * @throws {RangeError} when the member is not in the group
 */
export function removed(array: KernelArray, id: MemberId): KernelArray {
  const hole = indexOf(array, id);
  const members = [...array];
  const last = members.pop();
  if (last !== undefined && hole < members.length) members[hole] = last;
  return members;
}

/**
 * The index that a program has to return to choose this member.
 * @throws {RangeError} when the member is not in the group: no index can stand for "none", because
 * the kernel answers an index out of range by hashing over all members, dead ones included.
 */
export function indexOf(array: KernelArray, id: MemberId): number {
  const index = array.indexOf(id);
  if (index < 0) {
    throw new RangeError(`Cannot find member ${id}: the group is [${array.join(", ")}]`);
  }
  return index;
}

/**
 * A dead member that can be closed now without any receiving member moving; null when there is none.
 *
 * Why it matters: between a move and the next attach the program's index names another member or
 * lies out of range, and a connection of that moment waits in a queue that no process accepts from.
 *
 * Closing r is safe if r is the last element or the last element is not receiving. Every such step
 * makes the part behind the last receiving member one shorter, so any order frees the same number
 * now: the smaller of the dead and of the members behind the last receiving one. The order below is
 * chosen for later: a dead last element is simply popped; else the last element, which may be the
 * candidate, goes to the *lowest* hole. Once the candidate serves, all others are behind it and
 * nothing dead is held in place.
 */
function removableNow(
  array: KernelArray,
  receiving: ReadonlySet<MemberId>,
  dead: ReadonlySet<MemberId>,
): MemberId | null {
  const last = array.at(-1);
  if (last === undefined || receiving.has(last)) return null;
  if (dead.has(last)) return last;
  return array.find((id) => dead.has(id) && !receiving.has(id)) ?? null;
}

/**
 * The members to close, in this order: as many as can be without moving a receiving member, so no other program need
 * be attached in between.
 *
 * Plan again after each append *before* the candidate is steered to (probed), after each switch
 * and each death: the candidate of the next reload is appended behind the receiving members, and so
 * frees those that had to stay. One append, one switch: nothing that was dead before the switch is
 * left after it, so a group never has more lingering members than generations that drained since.
 *
 * @param receiving every member that the attached program can name: the serving ones, and a candidate from the moment
 * a probe or a share is steered to it; with no program attached, every live member
 * @param dead members that may be closed: queue empty, no half-open handshake, process gone
 */
export function planCompaction(
  array: KernelArray,
  receiving: ReadonlySet<MemberId>,
  dead: ReadonlySet<MemberId>,
): MemberId[] {
  const removals: MemberId[] = [];
  for (let rest = array;;) {
    const next = removableNow(rest, receiving, dead);
    if (next === null) return removals;
    removals.push(next);
    rest = removed(rest, next);
  }
}
