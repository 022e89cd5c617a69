/**
 * Trapped calls while no baton runs (--survive): those that need no decision continue, or the server would hang at the
 * next file that it removes. What is about a listener waits for the next baton: bind(2), listen(2), and calls that name
 * a path of the service.
 */
import { type PathCalls, pathCallsOf } from "../../platform/libc/path_calls.ts";
import type { Platform } from "../../platform/platform.ts";
import type { TrappedCall } from "../../platform/process/seccomp.ts";
import type { ListenAddress, MemberRecord } from "../../steering/member.ts";
import { decodePathCall } from "../unix/path_call.ts";
import { lastComponent, pathTextsOf } from "../unix/path_text.ts";

interface GroupRecord {
  readonly address: ListenAddress;
  readonly members: readonly MemberRecord[];
}

/** @returns whether a call continues at once */
export function passingMeanwhile(
  { libc }: Platform,
  groups: readonly GroupRecord[],
): (call: TrappedCall) => boolean {
  const calls = pathCallsOf(libc.runtime.arch);
  const names = namesOf(groups);
  const { SYS_bind, SYS_listen } = libc.arch;
  return (trapped) =>
    trapped.call !== SYS_bind && trapped.call !== SYS_listen &&
    !namesOneOf(names, calls, trapped);
}

/** The names that matter: last components of public paths, and of paths that generations have bound. */
function namesOf(groups: readonly GroupRecord[]): ReadonlySet<string> {
  return new Set(groups.flatMap(({ address, members }) => {
    if (address.family !== "unix") return [];
    return [
      address.name,
      ...members.flatMap(({ node }) => node === undefined ? [] : lastComponent(node.bound)),
    ];
  }));
}

function namesOneOf(
  names: ReadonlySet<string>,
  calls: PathCalls,
  trapped: TrappedCall,
): boolean {
  const call = names.size === 0 ? null : decodePathCall(calls, trapped);
  if (call === null) return false;
  const { source, target } = pathTextsOf(trapped.tid, call);
  return [source, target].some((text) => text !== null && names.has(lastComponent(text)));
}
