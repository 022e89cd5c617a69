/** Numbers of system calls that take paths, Linux x64 and arm64: <asm/unistd.h>; -1: it has none. `constants_test.ts` */
import type { Runtime } from "../runtime/runtime.ts";
import { numbersOf } from "./arch.ts";

const PATH_CALLS = {
  SYS_connect: { x64: 42, arm64: 203 },
  SYS_unlink: { x64: 87, arm64: -1 },
  SYS_unlinkat: { x64: 263, arm64: 35 },
  SYS_rename: { x64: 82, arm64: -1 },
  SYS_renameat: { x64: 264, arm64: 38 },
  SYS_renameat2: { x64: 316, arm64: 276 },
  SYS_linkat: { x64: 265, arm64: 37 },
  SYS_chmod: { x64: 90, arm64: -1 },
  SYS_fchmodat: { x64: 268, arm64: 53 },
  SYS_fchmodat2: { x64: 452, arm64: 452 },
  SYS_chown: { x64: 92, arm64: -1 },
  SYS_lchown: { x64: 94, arm64: -1 },
  SYS_fchownat: { x64: 260, arm64: 54 },
  SYS_openat2: { x64: 437, arm64: 437 },
  SYS_umask: { x64: 95, arm64: 166 },
} as const;

export type PathCalls = Readonly<Record<keyof typeof PATH_CALLS, number>>;

export function pathCallsOf(arch: Runtime["arch"]): PathCalls {
  return numbersOf(PATH_CALLS, arch);
}

/** <fcntl.h>, <linux/fs.h>, <linux/openat2.h>: the same on x64 and arm64. */
export const P = {
  AT_SYMLINK_NOFOLLOW: 0x100,
  RENAME_EXCHANGE: 2,
  RESOLVE_IN_ROOT: 0x10,
} as const;
