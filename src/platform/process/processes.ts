/**
 * Processes: spawn, exec, wait, signal, and what the launcher does to itself before exec. A child stays a zombie, and
 * its pid ours, until it is reaped here; so signaling a child that was not reaped yet never hits another process.
 */
import { environmentStrings } from "./environment.ts";
import { SystemCallError } from "../error.ts";
import { Fd, numberOf } from "../fd.ts";
import { C } from "../libc/constants.ts";
import { cString, cStringArray, type Libc, struct } from "../libc/libc.ts";
import { closeOnExecFrom } from "./close_on_exec.ts";
import { liveThreadOf } from "./proc.ts";
import { decodeWaitStatus, type Reaped, type Stopped, stopSignalOf } from "./wait_status.ts";

/** posix_spawn_file_actions_t is 80 bytes, posix_spawnattr_t 336 (glibc and musl); room to spare. */
const OPAQUE_SIZE = 1024;
/** sizeof(sigset_t) in both C libraries. */
const SIGSET_SIZE = 128;
/** sizeof(struct sigaction) is 152 in both C libraries. */
const SIGACTION_SIZE = 160;
/** Value of the first field of struct sigaction, the handler, for an ignored signal. */
const SIG_IGN = 1n;
const LAST_SIGNAL = 64;
/** sigaction(2) refuses them: KILL and STOP, and those that the C libraries use themselves (NPTL). */
const UNCHANGEABLE_SIGNALS: readonly number[] = [C.SIGKILL, C.SIGSTOP, 32, 33, 34];

export const ROOT_UID = 0;

interface SpawnOptions {
  /** Program file, which is not searched in PATH. */
  readonly path: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** descriptors[i] becomes descriptor i of the child; nothing else is inherited on purpose. */
  readonly descriptors: readonly (Fd | number)[];
}

export class Processes {
  constructor(readonly libc: Libc) {}

  /**
   * Starts a child in a process group of its own, with no signal blocked or ignored.
   * @throws {SystemCallError} when the child could not be started or the program not executed
   */
  spawn(options: SpawnOptions): number {
    const { c } = this.libc;
    const actions = new Uint8Array(OPAQUE_SIZE);
    const attributes = new Uint8Array(OPAQUE_SIZE);
    const allSignals = new Uint8Array(SIGSET_SIZE).fill(0xff);
    const noSignals = new Uint8Array(SIGSET_SIZE);
    const expect = (errno: number, call: string) => {
      if (errno !== 0) throw new SystemCallError(call, errno, options.path);
    };
    const lifted = this.#liftAbove(options.descriptors);
    expect(c.posix_spawn_file_actions_init(actions), "posix_spawn_file_actions_init");
    expect(c.posix_spawnattr_init(attributes), "posix_spawnattr_init");
    try {
      lifted.forEach((fd, target) =>
        expect(c.posix_spawn_file_actions_adddup2(actions, fd.number, target), "posix_spawn dup2")
      );
      c.posix_spawnattr_setpgroup(attributes, 0);
      c.posix_spawnattr_setsigdefault(attributes, allSignals);
      c.posix_spawnattr_setsigmask(attributes, noSignals);
      c.posix_spawnattr_setflags(
        attributes,
        C.POSIX_SPAWN_SETPGROUP | C.POSIX_SPAWN_SETSIGDEF | C.POSIX_SPAWN_SETSIGMASK,
      );
      const pid = struct(4);
      const argv = cStringArray(this.libc, options.argv);
      const env = cStringArray(this.libc, environmentStrings(options.env));
      const path = cString(options.path);
      const errno = c.posix_spawn(pid.bytes, path, actions, attributes, argv.array, env.array);
      expect(errno, "execute");
      return pid.view.getInt32(0, true);
    } finally {
      lifted.forEach((fd) => fd.close());
      c.posix_spawn_file_actions_destroy(actions);
      c.posix_spawnattr_destroy(attributes);
    }
  }

  /** Duplicates above every target number, so that no dup2 overwrites a later one's source. */
  #liftAbove(descriptors: readonly (Fd | number)[]): Fd[] {
    const lifted: Fd[] = [];
    try {
      for (const from of descriptors.map(numberOf)) {
        const number = this.libc.c.fcntl(from, C.F_DUPFD_CLOEXEC, Math.max(64, descriptors.length));
        lifted.push(Fd.of(this.libc, number, "fcntl(F_DUPFD_CLOEXEC)", `descriptor ${from}`));
      }
    } catch (error) {
      lifted.forEach((fd) => fd.close());
      throw error;
    }
    return lifted;
  }

  /**
   * Replaces this process: execve(2), or execveat(2) for a file that is open. Returns only by throwing.
   * @throws {SystemCallError} ENOENT for an open script with "#!", too: the descriptor is close-on-exec
   */
  exec(program: string | Fd, argv: readonly string[], env: SpawnOptions["env"]): never {
    const { libc, libc: { c, arch } } = this;
    const argvArray = cStringArray(libc, argv);
    const envArray = cStringArray(libc, environmentStrings(env));
    if (typeof program === "string") {
      const result = c.execve(cString(program), argvArray.array, envArray.array);
      libc.check(result, "execve", program);
    } else {
      const pointers = [cString(""), argvArray.array, envArray.array];
      const [path = 0, words = 0, variables = 0] = pointers.map((bytes) => libc.addressOf(bytes));
      const [call, fd] = [arch.SYS_execveat, program.number];
      const result = c.syscall(call, fd, path, words, variables, C.AT_EMPTY_PATH);
      libc.check(result, "execveat", `descriptor ${fd}`);
    }
    throw new Error("exec returned without an error");
  }

  /** @returns the child's end, or null when it still runs. */
  reap(pid: number): Reaped | null {
    const news = this.#wait(pid, C.WNOHANG);
    return news && { pid, status: decodeWaitStatus(news.status) };
  }

  /** @returns the next change of any child: its end, or a stop; null: nothing has changed */
  news(): Reaped | Stopped | null {
    const news = this.#wait(-1, C.WNOHANG | C.WUNTRACED);
    if (news === null) return null;
    const { pid, status } = news;
    const stoppedBy = stopSignalOf(status);
    return stoppedBy === null ? { pid, status: decodeWaitStatus(status) } : { pid, stoppedBy };
  }

  #wait(pid: number, options: number): { pid: number; status: number } | null {
    const { bytes, view } = struct(4);
    const result = this.libc.retry(() => this.libc.c.waitpid(pid, bytes, options));
    return result <= 0 ? null : { pid: result, status: view.getInt32(0, true) };
  }

  /** kill(2); a negative pid is a process group. @returns false when it does not exist or is another user's */
  signal(pid: number, signal: number): boolean {
    return this.libc.c.kill(pid, signal) === 0;
  }

  /** pidfd_open(2): readable when the process has ended. `O_EXCL` (PIDFD_THREAD): of a thread, Linux 6.9. */
  openPidfd(pid: number, flags: 0 | typeof C.O_EXCL = 0): Fd {
    const { c, arch } = this.libc;
    const number = c.syscall(arch.SYS_pidfd_open, pid, flags, 0, 0, 0);
    return Fd.of(this.libc, number, "pidfd_open", `process ${pid}`);
  }

  /** For duplicateFrom(): the process, or another thread of it where the first one has ended, and has nothing open. */
  openDescriptors(pid: number): Fd {
    const tid = liveThreadOf(pid);
    return this.openPidfd(tid, tid === pid ? 0 : C.O_EXCL);
  }

  /** pidfd_getfd(2): a close-on-exec duplicate of another process's descriptor. */
  duplicateFrom(pidfd: Fd, descriptor: number): Fd {
    const { c, arch } = this.libc;
    const number = c.syscall(arch.SYS_pidfd_getfd, pidfd.number, descriptor, 0, 0, 0);
    return Fd.of(this.libc, number, "pidfd_getfd", `descriptor ${descriptor}`);
  }

  /** pidfd_send_signal(2): never hits another process. @returns false when the process has ended */
  signalThrough(pidfd: Fd, signal: number): boolean {
    const { c, arch } = this.libc;
    return c.syscall(arch.SYS_pidfd_send_signal, pidfd.number, signal, 0, 0, 0) === 0;
  }

  /** prctl(PR_SET_CHILD_SUBREAPER): orphans below us become our children. */
  becomeSubreaper(): void {
    this.#prctl("PR_SET_CHILD_SUBREAPER", 1);
  }

  /** prctl(PR_SET_PDEATHSIG): the kernel sends `signal` when the parent's thread that started us ends. */
  signalOnParentDeath(signal: number): void {
    this.#prctl("PR_SET_PDEATHSIG", signal);
  }

  /** prctl(PR_SET_NO_NEW_PRIVS): needed for a filter without CAP_SYS_ADMIN; cannot be undone. */
  setNoNewPrivileges(): void {
    this.#prctl("PR_SET_NO_NEW_PRIVS", 1);
  }

  #prctl(
    option: "PR_SET_CHILD_SUBREAPER" | "PR_SET_PDEATHSIG" | "PR_SET_NO_NEW_PRIVS",
    value: number,
  ): void {
    this.libc.check(this.libc.c.prctl(C[option], value, 0, 0, 0), "prctl", option);
  }

  parentPid(): number {
    return this.libc.c.getppid();
  }

  userId(): number {
    return this.libc.c.geteuid();
  }

  groupId(): number {
    return this.libc.c.getegid();
  }

  /** Root and this process's own user are trusted; every other user is not. */
  trustsUser(uid: number): boolean {
    return uid === ROOT_UID || uid === this.userId();
  }

  /** Resets every signal to its default action and unblocks it: ignored ones would survive exec. */
  resetSignals(): void {
    const action = new Uint8Array(SIGACTION_SIZE);
    for (let signal = 1; signal <= LAST_SIGNAL; signal++) {
      if (UNCHANGEABLE_SIGNALS.includes(signal)) continue;
      const result = this.libc.c.sigaction(signal, action, null);
      this.libc.check(result, "sigaction", `signal ${signal}`);
    }
    const none = new Uint8Array(SIGSET_SIZE);
    this.libc.check(this.libc.c.sigprocmask(C.SIG_SETMASK, none, null), "sigprocmask", "empty set");
  }

  /** Blocks signals in the calling thread, and in threads that it starts later: they stay pending, over exec too. */
  blockSignals(signals: readonly number[]): void {
    this.#changeMask(C.SIG_BLOCK, signals);
  }

  /** Unblocks signals: a pending one is delivered at once. */
  unblockSignals(signals: readonly number[]): void {
    this.#changeMask(C.SIG_UNBLOCK, signals);
  }

  #changeMask(how: number, signals: readonly number[]): void {
    const { bytes, view } = struct(SIGSET_SIZE);
    for (const signal of signals) {
      const at = (signal - 1) >> 3;
      view.setUint8(at, view.getUint8(at) | 1 << ((signal - 1) & 7));
    }
    this.libc.check(this.libc.c.sigprocmask(how, bytes, null), "sigprocmask", signals.join(", "));
  }

  /** Ignores these signals from now on, over exec too. @returns restores their previous actions */
  ignoreSignals(signals: readonly number[]): () => void {
    const { c } = this.libc;
    const ignore = struct(SIGACTION_SIZE);
    ignore.view.setBigUint64(0, SIG_IGN, true);
    const before = signals.map((signal) => {
      const action = new Uint8Array(SIGACTION_SIZE);
      this.libc.check(c.sigaction(signal, ignore.bytes, action), "sigaction", `signal ${signal}`);
      return { signal, action };
    });
    return () => before.forEach(({ signal, action }) => c.sigaction(signal, action, null));
  }

  /** Sets close-on-exec for every descriptor from `first` on. @returns the call that did it */
  closeOnExecFrom(first: number): ReturnType<typeof closeOnExecFrom> {
    return closeOnExecFrom(this.libc, first);
  }

  /** Takes back close-on-exec for `count` descriptors from `first` on; Bun sets it from 4 on when it starts. */
  keepOnExec(first: number, count: number): void {
    for (let number = first; number < first + count; number++) {
      const result = this.libc.c.fcntl(number, C.F_SETFD, 0);
      this.libc.check(result, "fcntl(F_SETFD)", `descriptor ${number}`);
    }
  }

  changeDirectory(path: string): void {
    this.libc.check(this.libc.c.chdir(cString(path)), "chdir", path);
  }

  /** Enters a directory that may be gone or closed to this user. @returns whether it was done */
  entersDirectory(path: string): boolean {
    return this.libc.c.chdir(cString(path)) === 0;
  }

  /** RLIMIT_NOFILE as [soft, hard]. */
  fileLimit(): [number, number] {
    const { view } = this.#fileLimit();
    return [Number(view.getBigUint64(0, true)), Number(view.getBigUint64(8, true))];
  }

  /** Sets the soft limit of RLIMIT_NOFILE; the hard one stays. */
  setFileLimit(soft: number): void {
    const { bytes, view } = this.#fileLimit();
    view.setBigUint64(0, BigInt(soft), true);
    this.libc.check(this.libc.c.setrlimit(C.RLIMIT_NOFILE, bytes), "setrlimit", "RLIMIT_NOFILE");
  }

  #fileLimit(): { bytes: Uint8Array; view: DataView } {
    const limit = struct(16);
    this.libc.check(this.libc.c.getrlimit(C.RLIMIT_NOFILE, limit.bytes), "getrlimit", "NOFILE");
    return limit;
  }

  /** flock(2), exclusive, without waiting. @returns false when another process holds it */
  tryLock(fd: Fd): boolean {
    const result = this.libc.retry(() => this.libc.c.flock(fd.number, C.LOCK_EX | C.LOCK_NB));
    if (result < 0 && this.libc.errno === C.EAGAIN) return false;
    this.libc.check(result, "flock", `descriptor ${fd.number}`);
    return true;
  }
}
