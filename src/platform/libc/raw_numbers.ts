/** Functions of the C library that are bare system calls, with their numbers of <asm/unistd.h>. `constants_test.ts` */
import type { LIBC } from "./symbols.ts";

export interface RawCall {
  readonly x64: number;
  readonly arm64: number;
  /** Name of the system call, where the function has another. */
  readonly name?: string;
  /** Whether the system call has AT_FDCWD in front of the arguments. */
  readonly fromDirectory?: true;
}

/** Functions whose errors decide something. Those that are no bare system calls are not here. */
export const RAW_CALLS = {
  close: { x64: 3, arm64: 57 },
  read: { x64: 0, arm64: 63 },
  write: { x64: 1, arm64: 64 },
  fcntl: { x64: 72, arm64: 25 },
  ioctl: { x64: 16, arm64: 29 },
  pipe2: { x64: 293, arm64: 59 },
  flock: { x64: 73, arm64: 32 },
  open: { x64: 257, arm64: 56, name: "openat", fromDirectory: true },
  access: { x64: 269, arm64: 48, name: "faccessat", fromDirectory: true },
  readlink: { x64: 267, arm64: 78, name: "readlinkat", fromDirectory: true },
  getxattr: { x64: 191, arm64: 8 },
  memfd_create: { x64: 319, arm64: 279 },
  ftruncate: { x64: 77, arm64: 46 },
  fchmod: { x64: 91, arm64: 52 },
  lseek: { x64: 8, arm64: 62 },
  socket: { x64: 41, arm64: 198 },
  socketpair: { x64: 53, arm64: 199 },
  bind: { x64: 49, arm64: 200 },
  listen: { x64: 50, arm64: 201 },
  accept4: { x64: 288, arm64: 242 },
  connect: { x64: 42, arm64: 203 },
  shutdown: { x64: 48, arm64: 210 },
  getsockname: { x64: 51, arm64: 204 },
  getpeername: { x64: 52, arm64: 205 },
  getsockopt: { x64: 55, arm64: 209 },
  setsockopt: { x64: 54, arm64: 208 },
  sendmsg: { x64: 46, arm64: 211 },
  recvmsg: { x64: 47, arm64: 212 },
  send: { x64: 44, arm64: 206, name: "sendto" },
  recv: { x64: 45, arm64: 207, name: "recvfrom" },
  epoll_create1: { x64: 291, arm64: 20 },
  epoll_ctl: { x64: 233, arm64: 21 },
  eventfd: { x64: 290, arm64: 19, name: "eventfd2" },
  dup3: { x64: 292, arm64: 24 },
  inotify_init1: { x64: 294, arm64: 26 },
  inotify_add_watch: { x64: 254, arm64: 27 },
  kill: { x64: 62, arm64: 129 },
  waitpid: { x64: 61, arm64: 260, name: "wait4" },
  prctl: { x64: 157, arm64: 167 },
  execve: { x64: 59, arm64: 221 },
  chdir: { x64: 80, arm64: 49 },
  unshare: { x64: 272, arm64: 97 },
  setns: { x64: 308, arm64: 268 },
  mount: { x64: 165, arm64: 40 },
  umount2: { x64: 166, arm64: 39 },
  mmap: { x64: 9, arm64: 222 },
  mprotect: { x64: 10, arm64: 226 },
} as const satisfies { readonly [K in keyof typeof LIBC]?: RawCall };
