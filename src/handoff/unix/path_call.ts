/** System calls that name paths, as the filter reports them: what is done, and where the paths are in the caller's memory. Pure. */
import { C } from "../../platform/libc/constants.ts";
import type { PathCalls } from "../../platform/libc/path_calls.ts";
import type { CallRule } from "../../platform/process/call_filter.ts";
import { intArgument, type TrappedCall } from "../../platform/process/seccomp.ts";

/** A path argument: relative to a directory of the caller, at an address of its memory. */
export interface PathArgument {
  readonly dirfd: number;
  readonly address: number;
}

export type PathCall =
  | { readonly kind: "unlink"; readonly target: PathArgument }
  | { readonly kind: "rename"; readonly source: PathArgument; readonly target: PathArgument }
  | { readonly kind: "chmod"; readonly target: PathArgument; readonly mode: number }
  | {
    readonly kind: "chown";
    readonly target: PathArgument;
    readonly uid: number;
    readonly gid: number;
  }
  /** `target` has a struct sockaddr_un of that length. */
  | { readonly kind: "connect"; readonly target: PathArgument; readonly length: number };

/** sizeof(struct sockaddr_in), sockaddr_in6, sockaddr_nl. */
const OTHER_FAMILIES = [16, 28, 12];

/**
 * Only a few connects are reported: a program in the kernel does not see the family, but the length. The price: a Unix
 * path of exactly 13 or 25 characters (9 for netlink's) whose address ends right behind it is taken for another family's.
 */
export function pathCallRules(calls: PathCalls): CallRule[] {
  const { SYS_unlink, SYS_rename, SYS_renameat, SYS_renameat2, SYS_chmod, SYS_chown } = calls;
  const { SYS_fchmodat, SYS_fchmodat2, SYS_lchown, SYS_fchownat } = calls;
  const renames = [SYS_rename, SYS_renameat, SYS_renameat2];
  const modes = [SYS_chmod, SYS_fchmodat, SYS_fchmodat2];
  const owners = [SYS_chown, SYS_lchown, SYS_fchownat];
  const plain = [SYS_unlink, ...renames, ...modes, ...owners].filter((call) => call >= 0);
  return [
    ...plain,
    // Without AT_REMOVEDIR, which is rmdir(2).
    { call: calls.SYS_unlinkat, when: [{ argument: 2, values: [0] }] },
    { call: calls.SYS_connect, when: [{ argument: 2, values: OTHER_FAMILIES, not: true }] },
  ];
}

/** @returns null: it is another call */
export function decodePathCall(calls: PathCalls, trapped: TrappedCall): PathCall | null {
  const { call, args } = trapped;
  const number = (at: number) => Number(args[at] ?? 0n);
  const int = (at: number) => intArgument(trapped, at);
  const here = (at: number) => ({ dirfd: C.AT_FDCWD, address: number(at) });
  const at = (from: number) => ({ dirfd: int(from), address: number(from + 1) });
  const mode = (from: number) => number(from) & 0o7777;
  switch (call) {
    case calls.SYS_unlink:
      return { kind: "unlink", target: here(0) };
    case calls.SYS_unlinkat:
      return { kind: "unlink", target: at(0) };
    case calls.SYS_rename:
      return { kind: "rename", source: here(0), target: here(1) };
    case calls.SYS_renameat:
    case calls.SYS_renameat2:
      return { kind: "rename", source: at(0), target: at(2) };
    case calls.SYS_chmod:
      return { kind: "chmod", target: here(0), mode: mode(1) };
    case calls.SYS_fchmodat:
    case calls.SYS_fchmodat2:
      return { kind: "chmod", target: at(0), mode: mode(2) };
    case calls.SYS_chown:
    case calls.SYS_lchown:
      return { kind: "chown", target: here(0), uid: int(1), gid: int(2) };
    case calls.SYS_fchownat:
      return { kind: "chown", target: at(0), uid: int(2), gid: int(3) };
    case calls.SYS_connect:
      return { kind: "connect", target: here(1), length: number(2) };
    default:
      return null;
  }
}
