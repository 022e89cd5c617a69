/** Numbers from C headers that differ between Linux x64 and arm64. `test/platform/constants_test.ts` compares them, too. */

/** Numbers that differ by architecture; -1: it has none. */
const BY_ARCH = {
  /** <linux/audit.h>: what `seccomp_data.arch` holds. */
  AUDIT_ARCH: { x64: 0xc000003e, arm64: 0xc00000b7 },
  SYS_write: { x64: 1, arm64: 64 },
  SYS_writev: { x64: 20, arm64: 66 },
  SYS_socket: { x64: 41, arm64: 198 },
  SYS_setsockopt: { x64: 54, arm64: 208 },
  SYS_bind: { x64: 49, arm64: 200 },
  SYS_listen: { x64: 50, arm64: 201 },
  SYS_accept: { x64: 43, arm64: 202 },
  SYS_accept4: { x64: 288, arm64: 242 },
  SYS_recvfrom: { x64: 45, arm64: 207 },
  SYS_recvmsg: { x64: 47, arm64: 212 },
  SYS_recvmmsg: { x64: 299, arm64: 243 },
  SYS_kill: { x64: 62, arm64: 129 },
  SYS_read: { x64: 0, arm64: 63 },
  SYS_sendmsg: { x64: 46, arm64: 211 },
  SYS_openat: { x64: 257, arm64: 56 },
  SYS_fcntl: { x64: 72, arm64: 25 },
  SYS_chdir: { x64: 80, arm64: 49 },
  SYS_ptrace: { x64: 101, arm64: 117 },
  SYS_readv: { x64: 19, arm64: 65 },
  SYS_prctl: { x64: 157, arm64: 167 },
  SYS_umask: { x64: 95, arm64: 166 },
  SYS_setpriority: { x64: 141, arm64: 140 },
  SYS_setgroups: { x64: 116, arm64: 159 },
  SYS_setresuid: { x64: 117, arm64: 147 },
  SYS_setresgid: { x64: 119, arm64: 149 },
  SYS_prlimit64: { x64: 302, arm64: 261 },
  SYS_getpid: { x64: 39, arm64: 172 },
  SYS_getppid: { x64: 110, arm64: 173 },
  SYS_execve: { x64: 59, arm64: 221 },
  SYS_exit_group: { x64: 231, arm64: 94 },
  SYS_shutdown: { x64: 48, arm64: 210 },
  SYS_poll: { x64: 7, arm64: -1 },
  SYS_ppoll: { x64: 271, arm64: 73 },
  SYS_select: { x64: 23, arm64: -1 },
  SYS_pselect6: { x64: 270, arm64: 72 },
  SYS_ioctl: { x64: 16, arm64: 29 },
  SYS_seccomp: { x64: 317, arm64: 277 },
  SYS_pidfd_open: { x64: 434, arm64: 434 },
  SYS_pidfd_getfd: { x64: 438, arm64: 438 },
  SYS_pidfd_send_signal: { x64: 424, arm64: 424 },
  SYS_close_range: { x64: 436, arm64: 436 },
  SYS_pivot_root: { x64: 155, arm64: 41 },
  SYS_mount_setattr: { x64: 442, arm64: 442 },
  SYS_getdents64: { x64: 217, arm64: 61 },
  SYS_execveat: { x64: 322, arm64: 281 },
  /** sizeof(struct epoll_event) and the offset of its data: packed on x64 only. */
  EPOLL_EVENT_SIZE: { x64: 12, arm64: 16 },
  EPOLL_DATA_OFFSET: { x64: 4, arm64: 8 },
} as const;

export type ArchConstants = Readonly<Record<keyof typeof BY_ARCH, number>>;

export const ARCH = { x64: numbersOf(BY_ARCH, "x64"), arm64: numbersOf(BY_ARCH, "arm64") } as const;

type Arch = "x64" | "arm64";

export function numbersOf<Name extends string>(
  table: Readonly<Record<Name, Readonly<Record<Arch, number>>>>,
  arch: Arch,
): Readonly<Record<Name, number>> {
  const rows = Object.entries<Readonly<Record<Arch, number>>>(table);
  return Object.fromEntries(rows.map(([name, byArch]) => [name, byArch[arch]])) as Record<
    Name,
    number
  >;
}
