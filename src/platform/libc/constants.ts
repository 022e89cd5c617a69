/**
 * Numbers from C headers, Linux x64 and arm64. `test/platform/constants_test.ts` compares each of
 * them with what a C compiler says.
 */

import { constants } from "node:os";

/** Values that are the same on x64 and arm64. */
export const C = {
  // <fcntl.h>
  F_DUPFD_CLOEXEC: 1030,
  F_GETFD: 1,
  F_SETFD: 2,
  F_GETFL: 3,
  F_SETFL: 4,
  FD_CLOEXEC: 1,
  F_SETPIPE_SZ: 1031,
  F_GETPIPE_SZ: 1032,
  O_RDONLY: 0,
  O_WRONLY: 1,
  O_RDWR: 2,
  O_CREAT: 0o100,
  O_ACCMODE: 3,
  O_APPEND: 0o2000,
  O_NONBLOCK: 0o4000,
  O_CLOEXEC: 0o2000000,
  O_PATH: 0o10000000,
  AT_EMPTY_PATH: 0x1000,
  // <unistd.h>
  X_OK: 1,
  F_ADD_SEALS: 1033,
  F_SEAL_SEAL: 1,
  F_SEAL_SHRINK: 2,
  F_SEAL_GROW: 4,
  F_SEAL_WRITE: 8,
  // <sys/mman.h>
  MFD_CLOEXEC: 1,
  MFD_ALLOW_SEALING: 2,
  // <sys/file.h>
  LOCK_EX: 2,
  LOCK_NB: 4,
  // <sys/socket.h>, <netinet/in.h>, <netinet/tcp.h>
  AF_UNIX: 1,
  AF_INET: 2,
  AF_INET6: 10,
  AF_NETLINK: 16,
  SOCK_STREAM: 1,
  SOCK_DGRAM: 2,
  SOCK_RAW: 3,
  SOCK_SEQPACKET: 5,
  SOCK_CLOEXEC: 0o2000000,
  SOCK_NONBLOCK: 0o4000,
  SOL_SOCKET: 1,
  SO_REUSEADDR: 2,
  SO_TYPE: 3,
  SO_ERROR: 4,
  SO_REUSEPORT: 15,
  SO_PASSCRED: 16,
  SO_PEERCRED: 17,
  SO_RCVTIMEO: 20,
  SO_RCVLOWAT: 18,
  MSG_PEEK: 2,
  SO_SNDTIMEO: 21,
  SO_BINDTODEVICE: 25,
  SO_ATTACH_FILTER: 26,
  SO_ACCEPTCONN: 30,
  SO_COOKIE: 57,
  SO_MEMINFO: 55,
  SK_MEMINFO_DROPS: 8,
  SK_MEMINFO_VARS: 9,
  SO_PROTOCOL: 38,
  SO_DOMAIN: 39,
  SO_ATTACH_REUSEPORT_CBPF: 51,
  SCM_RIGHTS: 1,
  SCM_CREDENTIALS: 2,
  MSG_DONTWAIT: 0x40,
  MSG_NOSIGNAL: 0x4000,
  MSG_TRUNC: 0x20,
  MSG_CTRUNC: 8,
  MSG_CMSG_CLOEXEC: 0x40000000,
  SHUT_RDWR: 2,
  SHUT_WR: 1,
  IPPROTO_IP: 0,
  IP_FREEBIND: 15,
  IPPROTO_TCP: 6,
  IPPROTO_IPV6: 41,
  IPPROTO_MPTCP: 262,
  IPV6_V6ONLY: 26,
  // <sys/epoll.h>, <sys/eventfd.h>, <poll.h>
  EPOLL_CTL_ADD: 1,
  EPOLL_CTL_DEL: 2,
  EPOLL_CTL_MOD: 3,
  EPOLLIN: 1,
  EPOLLOUT: 4,
  EPOLLERR: 8,
  EPOLLHUP: 0x10,
  EPOLLONESHOT: 0x40000000,
  EPOLL_CLOEXEC: 0o2000000,
  EFD_CLOEXEC: 0o2000000,
  EFD_NONBLOCK: 0o4000,
  POLLIN: 1,
  POLLOUT: 4,
  // <sys/mman.h>
  PROT_READ: 1,
  PROT_WRITE: 2,
  PROT_EXEC: 4,
  MAP_PRIVATE: 2,
  MAP_ANONYMOUS: 0x20,
  SA_RESTART: 0x10000000,
  SA_ONSTACK: 0x08000000,
  // <sys/wait.h>, <signal.h>, <spawn.h>, <sys/resource.h>
  WNOHANG: 1,
  WUNTRACED: 2,
  SIGKILL: 9,
  SIGTERM: 15,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIG_BLOCK: 0,
  SIG_UNBLOCK: 1,
  SIG_SETMASK: 2,
  POSIX_SPAWN_SETPGROUP: 2,
  POSIX_SPAWN_SETSIGDEF: 4,
  POSIX_SPAWN_SETSIGMASK: 8,
  RLIMIT_NOFILE: 7,
  // <time.h>
  CLOCK_MONOTONIC: 1,
  // <linux/prctl.h>
  PR_SET_PDEATHSIG: 1,
  PR_SET_CHILD_SUBREAPER: 36,
  PR_SET_NO_NEW_PRIVS: 38,
  // <linux/close_range.h>
  CLOSE_RANGE_CLOEXEC: 4,
  // <linux/seccomp.h>
  SECCOMP_SET_MODE_FILTER: 1,
  SECCOMP_GET_ACTION_AVAIL: 2,
  SECCOMP_FILTER_FLAG_NEW_LISTENER: 8,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4,
  SECCOMP_RET_USER_NOTIF: 0x7fc00000,
  SECCOMP_RET_ALLOW: 0x7fff0000,
  SECCOMP_RET_ERRNO: 0x00050000,
  SECCOMP_USER_NOTIF_FLAG_CONTINUE: 1,
  SECCOMP_ADDFD_FLAG_SETFD: 1,
  SECCOMP_ADDFD_FLAG_SEND: 2,
  SECCOMP_IOCTL_NOTIF_RECV: 0xc0502100,
  SECCOMP_IOCTL_NOTIF_SEND: 0xc0182101,
  SECCOMP_IOCTL_NOTIF_ID_VALID: 0x40082102,
  SECCOMP_IOCTL_NOTIF_ADDFD: 0x40182103,
  // <linux/netlink.h>, <linux/sock_diag.h>, <linux/inet_diag.h>
  NETLINK_SOCK_DIAG: 4,
  SOCK_DIAG_BY_FAMILY: 20,
  NLM_F_REQUEST: 1,
  NLM_F_DUMP: 0x300,
  NLMSG_ERROR: 2,
  NLMSG_DONE: 3,
  INET_DIAG_INFO: 2,
  INET_DIAG_REQ_BYTECODE: 1,
  INET_DIAG_BC_S_EQ: 11,
  // <sys/inotify.h>
  IN_ATTRIB: 0x4,
  IN_CLOSE_WRITE: 0x8,
  IN_MOVED_FROM: 0x40,
  IN_MOVED_TO: 0x80,
  IN_CREATE: 0x100,
  IN_DELETE: 0x200,
  IN_DELETE_SELF: 0x400,
  IN_MOVE_SELF: 0x800,
  IN_DONT_FOLLOW: 0x2000000,
  // <asm/ioctls.h>
  FIONREAD: 0x541b,
  TCGETS: 0x5401,
  TIOCGPGRP: 0x540f,
  TIOCSPGRP: 0x5410,
  TIOCOUTQ: 0x5411,
  // <termios.h>
  TOSTOP: 0o400,
  // <netinet/tcp.h>
  TCP_INFO: 11,
  TCP_ESTABLISHED: 1,
  TCP_SYN_RECV: 3,
  TCP_FIN_WAIT1: 4,
  TCP_CLOSE_WAIT: 8,
  TCP_LAST_ACK: 9,
  TCP_LISTEN: 10,
  TCP_NEW_SYN_RECV: 12,
  // <errno.h>
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  ENOEXEC: 8,
  EAGAIN: 11,
  EACCES: 13,
  EBUSY: 16,
  ENOTDIR: 20,
  EINVAL: 22,
  EPIPE: 32,
  ENOSYS: 38,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ECONNRESET: 104,
  ECONNREFUSED: 111,
  EINPROGRESS: 115,
} as const;

/** Numbers that differ by architecture; -1: it has none. */
const BY_ARCH = {
  /** <linux/audit.h>: what `seccomp_data.arch` holds. */
  AUDIT_ARCH: { x64: 0xc000003e, arm64: 0xc00000b7 },
  SYS_write: { x64: 1, arm64: 64 },
  SYS_writev: { x64: 20, arm64: 66 },
  SYS_bind: { x64: 49, arm64: 200 },
  SYS_listen: { x64: 50, arm64: 201 },
  SYS_accept: { x64: 43, arm64: 202 },
  SYS_accept4: { x64: 288, arm64: 242 },
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
  SYS_getdents64: { x64: 217, arm64: 61 },
  SYS_execveat: { x64: 322, arm64: 281 },
  /** sizeof(struct epoll_event) and the offset of its data: packed on x64 only. */
  EPOLL_EVENT_SIZE: { x64: 12, arm64: 16 },
  EPOLL_DATA_OFFSET: { x64: 4, arm64: 8 },
} as const;

export type ArchConstants = Readonly<Record<keyof typeof BY_ARCH, number>>;

export const ARCH = { x64: numbersOf("x64"), arm64: numbersOf("arm64") } as const;

function numbersOf(arch: "x64" | "arm64"): ArchConstants {
  const numbers = Object.entries(BY_ARCH).map(([name, byArch]) => [name, byArch[arch]]);
  return Object.fromEntries(numbers);
}

/** @returns "EADDRINUSE" for 98, "errno 77" for a number without a name here */
export function errnoName(errno: number): string {
  const known = Object.entries(constants.errno).find(([, value]) => value === errno);
  return known?.[0] ?? `errno ${errno}`;
}
