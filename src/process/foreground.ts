/**
 * The terminal that baton was started in, and who of its servers has the foreground there: what a shell
 * does for its jobs.
 *
 * Each server leads a process group of its own, so it is in the background, and baton has the keyboard: a
 * server that never reads leaves Ctrl-C to baton. One that asks for the terminal (it reads, or sets modes) is
 * stopped by the kernel with SIGTTIN or SIGTTOU; then it gets the foreground and goes on. baton has it back when
 * that server ends, or when a second generation starts. Nothing is taken from others: while baton itself is in the
 * background, it is stopped in the server's place, and the shell's `fg` continues both.
 */
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import { allProcesses, processStat, processTree } from "../platform/process/proc.ts";
import type { Children } from "./children.ts";

const [SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU] = [18, 19, 20, 21, 22];

interface ForegroundOptions {
  readonly platform: Platform;
  readonly children: Pick<Children, "leaders" | "onStopped">;
  /** A shell waits for this very process: not one that replaces another baton. */
  readonly isJob: boolean;
  readonly log: (message: string) => void;
}

export class Foreground {
  /** The controlling terminal; null: there is none. */
  readonly #terminal: Fd | null;
  readonly #ownGroup: number;
  readonly #nothing: Fd | null;
  /** The leading process that has asked for the terminal, and got it. */
  #holder: number | null = null;

  constructor(readonly options: ForegroundOptions) {
    const { platform, children } = options;
    this.#ownGroup = processStat("self")?.group ?? 0;
    this.#terminal = controllingTerminal(platform);
    // Opened now: later there may be no descriptor left.
    this.#nothing = platform.terminals.isTerminal(0)
      ? platform.descriptors.open("/dev/null", C.O_RDONLY)
      : null;
    children.onStopped = (pid, signal) => this.#onStopped(pid, signal);
  }

  /**
   * Standard input for a server that starts now.
   * @param isAlone no other one of this service lives
   */
  stdinFor(isAlone: boolean): Fd | number {
    if (!isAlone) this.takeBack();
    if (this.#nothing === null) return 0;
    return isAlone && this.options.isJob && this.#mayGet() ? 0 : this.#nothing;
  }

  /** It can be had now, or a shell may give it to us: not in the background of a session without one. */
  #mayGet(): boolean {
    const group = this.#group();
    return group === null || this.#isOurs(group) || this.#hasShell();
  }

  /** It has asked for the terminal, and somebody sits there and uses it. */
  isHeldBy(pid: number): boolean {
    const group = this.#group();
    return group !== null && (group === pid || this.#holder === pid && this.#isOurs(group));
  }

  /** It was there, and is gone: a window was closed, a connection was lost. */
  get isClosed(): boolean {
    return this.#terminal !== null && this.#group() === null;
  }

  /** A leading process has ended. @returns whether it had the terminal */
  onLeaderExit(pid: number): boolean {
    const had = this.isHeldBy(pid);
    if (had) this.takeBack();
    return had;
  }

  /** The keyboard, and Ctrl-C, are baton's again, if one of its servers has it. */
  takeBack(): void {
    this.#holder = null;
    const group = this.#group();
    if (group === null || group === this.#ownGroup || !this.#isOurs(group)) return;
    this.#give(this.#ownGroup);
  }

  /**
   * Ctrl-Z was typed, or somebody has sent SIGTSTP. With the terminal in front of baton all servers stop and go on
   * with it, as if they were in its own process group.
   * @returns false: it did not come from a terminal, as far as can be known
   */
  suspend(): boolean {
    if (this.#group() !== this.#ownGroup) return false;
    // As the kernel does it: without a shell nobody would continue us.
    if (!this.#hasShell()) return true;
    const { platform, children } = this.options;
    const groups = children.leaders();
    for (const pid of groups) platform.processes.signal(-pid, SIGTSTP);
    this.stopSelf();
    for (const pid of groups) platform.processes.signal(-pid, SIGCONT);
    return true;
  }

  /** What SIGTSTP does to a program without a handler. */
  stopSelf(): void {
    const { processes, runtime } = this.options.platform;
    if (this.#hasShell()) processes.signal(runtime.pid, SIGSTOP);
  }

  #onStopped(pid: number, signal: number): void {
    const group = this.#group();
    // One that somebody has stopped on purpose stays so.
    if (group === null) return;
    if (signal === SIGTTIN || signal === SIGTTOU) return this.#onAsked(pid, group);
    if (signal !== SIGTSTP || !this.isHeldBy(pid)) return;
    if (!this.#hasShell()) return this.#continue(pid);
    this.takeBack();
    this.#stopWith(pid);
  }

  /** It wants to read, or to write where `stty tostop` is set, or to change modes. */
  #onAsked(pid: number, group: number): void {
    if (this.#isOurs(group)) return this.#handTo(pid);
    if (this.options.isJob && this.#hasShell()) return this.#stopWith(pid);
    this.options.log(
      `the server (process ${pid}) is stopped: it asks for a terminal that is not ours`,
    );
  }

  /** Stops baton's own group, as the kernel would have if the server were in it; comes back at the shell's fg or bg. */
  #stopWith(pid: number): void {
    this.options.platform.processes.signal(0, SIGSTOP);
    if (this.#group() === this.#ownGroup) this.#handTo(pid);
    else this.#continue(pid);
  }

  #handTo(pid: number): void {
    // Continued without it, it would ask again at once, without end.
    if (!this.#give(pid)) {
      return this.options.log(`cannot give the terminal to the server (process ${pid})`);
    }
    this.#holder = pid;
    // With `stty tostop` each line of our log would stop us, or never be written where SIGTTOU has a handler.
    this.options.platform.processes.blockSignals([SIGTTOU]);
    this.#continue(pid);
  }

  #continue(pid: number): void {
    this.options.platform.processes.signal(-pid, SIGCONT);
  }

  #give(group: number): boolean {
    return this.#terminal !== null &&
      this.options.platform.terminals.setForeground(this.#terminal, group);
  }

  /** The group in the foreground; null: no terminal, or it was closed. */
  #group(): number | null {
    if (this.#terminal === null) return null;
    return this.options.platform.terminals.foreground(this.#terminal);
  }

  /** It is baton's own, or of something that baton has started, or what is left of that: nobody. */
  #isOurs(group: number): boolean {
    if (group === this.#ownGroup) return true;
    const members = allProcesses().filter((pid) => processStat(pid)?.group === group);
    if (members.length === 0) return true;
    const ours = processTree(this.options.platform.runtime.pid);
    return members.some((pid) => ours.includes(pid));
  }

  /** Somebody of our session waits for our group, and continues it: it is not orphaned, setpgid(2). */
  #hasShell(): boolean {
    const self = processStat("self");
    let above = self === null ? null : processStat(self.parent);
    while (self !== null && above !== null && above.session === self.session) {
      if (above.group !== self.group) return true;
      above = processStat(above.parent);
    }
    return false;
  }
}

function controllingTerminal({ descriptors, terminals }: Platform): Fd | null {
  if ((processStat("self")?.terminal ?? 0) === 0) return null;
  try {
    return descriptors.open("/dev/tty", C.O_RDWR);
  } catch {
    // Not every container has that device.
    const number = [0, 1, 2].find((fd) => terminals.foreground(fd) !== null);
    return number === undefined ? null : descriptors.duplicate(number);
  }
}
