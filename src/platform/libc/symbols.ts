/**
 * Prototypes of the C library functions that baton calls, as in their manual pages.
 *
 * No decisions here. glibc and musl have all of them; variadic functions (fcntl, ioctl, prctl,
 * syscall) take the same registers as fixed ones on x64 and arm64 Linux.
 */
import type { PrototypeTable } from "../runtime/runtime.ts";

/** Sonames to try, in order: glibc, then musl. */
export const LIBC_NAMES = [
  "libc.so.6",
  "libc.so",
  "libc.musl-x86_64.so.1",
  "libc.musl-aarch64.so.1",
];

export const LIBC = {
  // int *__errno_location(void);   glibc and musl
  __errno_location: { parameters: [], result: "address" },
  // long syscall(long number, ...);   <unistd.h>, syscall(2)
  syscall: { parameters: ["i64", "i64", "i64", "i64", "i64", "i64"], result: "i64" },

  // int close(int fd);   <unistd.h>, close(2)
  close: { parameters: ["i32"], result: "i32" },
  // ssize_t read(int fd, void *buf, size_t count);   <unistd.h>, read(2)
  read: { parameters: ["i32", "buffer", "i64"], result: "i64" },
  // ssize_t write(int fd, const void *buf, size_t count);   <unistd.h>, write(2)
  write: { parameters: ["i32", "buffer", "i64"], result: "i64" },
  // int fcntl(int fd, int cmd, ... arg);   <fcntl.h>, fcntl(2)
  fcntl: { parameters: ["i32", "i32", "i64"], result: "i32" },
  // int ioctl(int fd, unsigned long request, void *arg);   <sys/ioctl.h>, ioctl(2)
  ioctl: { parameters: ["i32", "i64", "buffer"], result: "i32" },
  // int pipe2(int pipefd[2], int flags);   <unistd.h>, pipe2(2)
  pipe2: { parameters: ["buffer", "i32"], result: "i32" },
  // int poll(struct pollfd *fds, nfds_t nfds, int timeout);   <poll.h>, poll(2)
  poll: { parameters: ["buffer", "i64", "i32"], result: "i32" },
  // int flock(int fd, int operation);   <sys/file.h>, flock(2)
  flock: { parameters: ["i32", "i32"], result: "i32" },
  // int open(const char *pathname, int flags, mode_t mode);   <fcntl.h>, open(2)
  open: { parameters: ["buffer", "i32", "u32"], result: "i32" },
  // int access(const char *pathname, int mode);   <unistd.h>, access(2)
  access: { parameters: ["buffer", "i32"], result: "i32" },
  // ssize_t readlink(const char *path, char *buf, size_t bufsiz);   <unistd.h>, readlink(2)
  readlink: { parameters: ["buffer", "buffer", "i64"], result: "i64" },
  // ssize_t getxattr(const char *path, const char *name, void *value, size_t size);   <sys/xattr.h>, getxattr(2)
  getxattr: { parameters: ["buffer", "buffer", "buffer", "i64"], result: "i64" },
  // int memfd_create(const char *name, unsigned int flags);   <sys/mman.h>, memfd_create(2)
  memfd_create: { parameters: ["buffer", "u32"], result: "i32" },
  // int ftruncate(int fd, off_t length);   <unistd.h>, truncate(2)
  ftruncate: { parameters: ["i32", "i64"], result: "i32" },
  // int fchmod(int fd, mode_t mode);   <sys/stat.h>, chmod(2)
  fchmod: { parameters: ["i32", "u32"], result: "i32" },
  // off_t lseek(int fd, off_t offset, int whence);   <unistd.h>, lseek(2)
  lseek: { parameters: ["i32", "i64", "i32"], result: "i64" },

  // int socket(int domain, int type, int protocol);   <sys/socket.h>, socket(2)
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  // int socketpair(int domain, int type, int protocol, int sv[2]);   socketpair(2)
  socketpair: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  // int bind(int sockfd, const struct sockaddr *addr, socklen_t addrlen);   bind(2)
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  // int listen(int sockfd, int backlog);   listen(2)
  listen: { parameters: ["i32", "i32"], result: "i32" },
  // int accept4(int sockfd, struct sockaddr *addr, socklen_t *addrlen, int flags);   accept(2)
  accept4: { parameters: ["i32", "buffer", "buffer", "i32"], result: "i32" },
  // int connect(int sockfd, const struct sockaddr *addr, socklen_t addrlen);   connect(2)
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  // int shutdown(int sockfd, int how);   shutdown(2)
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
  // int getsockname(int sockfd, struct sockaddr *addr, socklen_t *addrlen);   getsockname(2)
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  // int getpeername(int sockfd, struct sockaddr *addr, socklen_t *addrlen);   getpeername(2)
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  // int getsockopt(int sockfd, int level, int optname, void *optval, socklen_t *optlen);
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  // int setsockopt(int sockfd, int level, int optname, const void *optval, socklen_t optlen);
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  // ssize_t sendmsg(int sockfd, const struct msghdr *msg, int flags);   sendmsg(2)
  sendmsg: { parameters: ["i32", "buffer", "i32"], result: "i64" },
  // ssize_t recvmsg(int sockfd, struct msghdr *msg, int flags);   recvmsg(2)
  recvmsg: { parameters: ["i32", "buffer", "i32"], result: "i64" },
  // ssize_t send(int sockfd, const void *buf, size_t len, int flags);   send(2)
  send: { parameters: ["i32", "buffer", "i64", "i32"], result: "i64" },
  // ssize_t recv(int sockfd, void *buf, size_t len, int flags);   recv(2)
  recv: { parameters: ["i32", "buffer", "i64", "i32"], result: "i64" },

  // int epoll_create1(int flags);   <sys/epoll.h>, epoll_create(2)
  epoll_create1: { parameters: ["i32"], result: "i32" },
  // int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event);   epoll_ctl(2)
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  // int epoll_wait(int epfd, struct epoll_event *events, int maxevents, int timeout);   epoll_wait(2)
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
  // int eventfd(unsigned int initval, int flags);   <sys/eventfd.h>, eventfd(2)
  eventfd: { parameters: ["u32", "i32"], result: "i32" },

  // int dup3(int oldfd, int newfd, int flags);   <unistd.h>, dup(2)
  dup3: { parameters: ["i32", "i32", "i32"], result: "i32" },

  // int inotify_init1(int flags);   <sys/inotify.h>, inotify_init(2)
  inotify_init1: { parameters: ["i32"], result: "i32" },
  // int inotify_add_watch(int fd, const char *pathname, uint32_t mask);   inotify_add_watch(2)
  inotify_add_watch: { parameters: ["i32", "buffer", "u32"], result: "i32" },

  // int clock_gettime(clockid_t clockid, struct timespec *tp);   <time.h>, clock_gettime(2)
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },

  // struct tm *localtime_r(const time_t *timep, struct tm *result);   <time.h>, ctime(3)
  localtime_r: { parameters: ["buffer", "buffer"], result: "address" },
  // void tzset(void);   <time.h>, tzset(3)
  tzset: { parameters: [], result: "i32" },
  // int setenv(const char *name, const char *value, int overwrite);   <stdlib.h>, setenv(3)
  setenv: { parameters: ["buffer", "buffer", "i32"], result: "i32" },

  // pid_t getppid(void);   <unistd.h>, getpid(2)
  getppid: { parameters: [], result: "i32" },
  // uid_t geteuid(void);   <unistd.h>, getuid(2)
  geteuid: { parameters: [], result: "i32" },
  // gid_t getegid(void);   <unistd.h>, getgid(2)
  getegid: { parameters: [], result: "i32" },
  // int kill(pid_t pid, int sig);   <signal.h>, kill(2)
  kill: { parameters: ["i32", "i32"], result: "i32" },
  // pid_t waitpid(pid_t pid, int *wstatus, int options);   <sys/wait.h>, waitpid(2)
  waitpid: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  // int prctl(int option, unsigned long arg2, ...);   <sys/prctl.h>, prctl(2)
  prctl: { parameters: ["i32", "i64", "i64", "i64", "i64"], result: "i32" },
  // int execve(const char *pathname, char *const argv[], char *const envp[]);   execve(2)
  execve: { parameters: ["buffer", "buffer", "buffer"], result: "i32" },
  // int chdir(const char *path);   chdir(2)
  chdir: { parameters: ["buffer"], result: "i32" },
  // int sigaction(int signum, const struct sigaction *act, struct sigaction *oldact);
  sigaction: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  // int unshare(int flags);   <sched.h>, unshare(2)
  unshare: { parameters: ["i32"], result: "i32" },
  // int setns(int fd, int nstype);   <sched.h>, setns(2)
  setns: { parameters: ["i32", "i32"], result: "i32" },
  // int mount(const char *source, const char *target, const char *filesystemtype,
  //           unsigned long mountflags, const void *data);   <sys/mount.h>, mount(2)
  mount: { parameters: ["buffer", "buffer", "buffer", "i64", "buffer"], result: "i32" },
  // int umount2(const char *target, int flags);   <sys/mount.h>, umount(2)
  umount2: { parameters: ["buffer", "i32"], result: "i32" },
  // void *mmap(void *addr, size_t length, int prot, int flags, int fd, off_t offset);   mmap(2)
  mmap: { parameters: ["i64", "i64", "i32", "i32", "i32", "i64"], result: "i64" },
  // int mprotect(void *addr, size_t len, int prot);   <sys/mman.h>, mprotect(2)
  mprotect: { parameters: ["i64", "i64", "i32"], result: "i32" },
  // int sigprocmask(int how, const sigset_t *set, sigset_t *oldset);   sigprocmask(2)
  sigprocmask: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  // int getrlimit(int resource, struct rlimit *rlim);   getrlimit(2)
  getrlimit: { parameters: ["i32", "buffer"], result: "i32" },
  // int setrlimit(int resource, const struct rlimit *rlim);   setrlimit(2)
  setrlimit: { parameters: ["i32", "buffer"], result: "i32" },

  // int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *fa,
  //                 const posix_spawnattr_t *attr, char *const argv[], char *const envp[]);
  posix_spawn: {
    parameters: ["buffer", "buffer", "buffer", "buffer", "buffer", "buffer"],
    result: "i32",
  },
  // int posix_spawn_file_actions_init(posix_spawn_file_actions_t *fa);   <spawn.h>
  posix_spawn_file_actions_init: { parameters: ["buffer"], result: "i32" },
  // int posix_spawn_file_actions_destroy(posix_spawn_file_actions_t *fa);
  posix_spawn_file_actions_destroy: { parameters: ["buffer"], result: "i32" },
  // int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *fa, int fd, int newfd);
  posix_spawn_file_actions_adddup2: { parameters: ["buffer", "i32", "i32"], result: "i32" },
  // int posix_spawnattr_init(posix_spawnattr_t *attr);
  posix_spawnattr_init: { parameters: ["buffer"], result: "i32" },
  // int posix_spawnattr_destroy(posix_spawnattr_t *attr);
  posix_spawnattr_destroy: { parameters: ["buffer"], result: "i32" },
  // int posix_spawnattr_setflags(posix_spawnattr_t *attr, short flags);
  posix_spawnattr_setflags: { parameters: ["buffer", "i32"], result: "i32" },
  // int posix_spawnattr_setpgroup(posix_spawnattr_t *attr, pid_t pgroup);
  posix_spawnattr_setpgroup: { parameters: ["buffer", "i32"], result: "i32" },
  // int posix_spawnattr_setsigdefault(posix_spawnattr_t *attr, const sigset_t *set);
  posix_spawnattr_setsigdefault: { parameters: ["buffer", "buffer"], result: "i32" },
  // int posix_spawnattr_setsigmask(posix_spawnattr_t *attr, const sigset_t *set);
  posix_spawnattr_setsigmask: { parameters: ["buffer", "buffer"], result: "i32" },
} as const satisfies PrototypeTable;
