/**
 * Which server has the foreground of baton's terminal: what a shell does for its jobs. Each server leads its own
 * process group, in the background, so Ctrl-C reaches baton. The kernel stops one that asks for the terminal with
 * SIGTTIN or SIGTTOU; baton gives it the foreground and continues it, until it exits or a second generation starts.
 * While baton itself is in the background, it is stopped in the server's place, and the shell's `fg` continues both.
 */
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import { allProcesses, processStat, processTree } from "../platform/process/proc.ts";

interface ForegroundOptions {
  readonly platform: Platform;
  readonly leaders: () => readonly number[];
  /** Whether a shell may wait for this process: not where it replaces another baton. */
  readonly isJob: boolean;
  readonly log: (message: string) => void;
}

export class Foreground {
  readonly #terminal: Fd | null;
  readonly #ownGroup: number;
  readonly #devNull: Fd | null;
  /** The leading process that has asked for the terminal, and got it. */
  #holder: number | null = null;

  constructor(readonly options: ForegroundOptions) {
    const { platform } = options;
    this.#ownGroup = processStat("self")?.group ?? 0;
    this.#terminal = controllingTerminal(platform);
    // Opened at the start: later there may be no descriptor left.
    this.#devNull = platform.terminals.isTerminal(0)
      ? platform.descriptors.open("/dev/null", C.O_RDONLY)
      : null;
  }

  /** Standard input for a server that starts now. @param isAlone no other server of this service is alive */
  stdinFor(isAlone: boolean): Fd | number {
    if (!isAlone) this.takeBack();
    if (this.#devNull === null) return 0;
    const group = this.#foregroundGroup();
    // Not in the background of a session without a shell: nothing would ever give the terminal to baton.
    const mayGetTerminal = group === null || this.#isOwn(group) || this.#hasShell();
    return isAlone && this.options.isJob && mayGetTerminal ? 0 : this.#devNull;
  }

  /** The process has asked for the terminal, so a person uses it: a shell, a debugger. */
  isHeldBy(pid: number): boolean {
    const group = this.#foregroundGroup();
    return group !== null && (group === pid || this.#holder === pid && this.#isOwn(group));
  }

  /** Whether the terminal was closed, or the connection to it was lost. */
  get isClosed(): boolean {
    return this.#terminal !== null && this.#foregroundGroup() === null;
  }

  /** @returns whether it had the terminal */
  onLeaderExit(pid: number): boolean {
    const had = this.isHeldBy(pid);
    if (had) this.takeBack();
    return had;
  }

  takeBack(): void {
    this.#holder = null;
    const group = this.#foregroundGroup();
    if (group === null || group === this.#ownGroup || !this.#isOwn(group)) return;
    this.#give(this.#ownGroup);
  }

  /**
   * At Ctrl-Z all servers stop and continue with baton, as if they were in its own process group.
   * @returns false when SIGTSTP did not come from a terminal, as far as can be known
   */
  suspend(): boolean {
    if (this.#foregroundGroup() !== this.#ownGroup) return false;
    // As the kernel does it: without a shell, nothing would continue baton.
    if (!this.#hasShell()) return true;
    const { processes } = this.options.platform;
    const groups = this.options.leaders();
    for (const pid of groups) processes.signal(-pid, C.SIGTSTP);
    this.stopSelf();
    for (const pid of groups) processes.signal(-pid, C.SIGCONT);
    return true;
  }

  /** What SIGTSTP does to a program without a handler. */
  stopSelf(): void {
    const { processes, runtime } = this.options.platform;
    if (this.#hasShell()) processes.signal(runtime.pid, C.SIGSTOP);
  }

  onLeaderStopped(pid: number, signal: number): void {
    const group = this.#foregroundGroup();
    // Without a terminal it was stopped on purpose, and stays so.
    if (group === null) return;
    if (signal === C.SIGTTIN || signal === C.SIGTTOU) return this.#onTerminalWanted(pid, group);
    if (signal !== C.SIGTSTP || !this.isHeldBy(pid)) return;
    if (!this.#hasShell()) return this.#continue(pid);
    this.takeBack();
    this.#stopWith(pid);
  }

  /** A server in the background wants the terminal: it reads, changes modes, or writes where `stty tostop` is set. */
  #onTerminalWanted(pid: number, group: number): void {
    if (this.#isOwn(group)) return this.#handTo(pid);
    if (this.options.isJob && this.#hasShell()) return this.#stopWith(pid);
    this.options.log(
      `the server (process ${pid}) is stopped: it asks for a terminal that baton does not have`,
    );
  }

  /** Stops baton's own group, as the kernel would if the server were in it; returns at the shell's fg or bg. */
  #stopWith(pid: number): void {
    this.options.platform.processes.signal(0, C.SIGSTOP);
    if (this.#foregroundGroup() === this.#ownGroup) this.#handTo(pid);
    else this.#continue(pid);
  }

  #handTo(pid: number): void {
    // Continued without the terminal, it would ask again at once, without end.
    if (!this.#give(pid)) {
      return this.options.log(`cannot give the terminal to the server (process ${pid})`);
    }
    this.#holder = pid;
    // With `stty tostop` each line of baton's log would stop it, or never be written where SIGTTOU has a handler.
    this.options.platform.processes.blockSignals([C.SIGTTOU]);
    this.#continue(pid);
  }

  #continue(pid: number): void {
    this.options.platform.processes.signal(-pid, C.SIGCONT);
  }

  #give(group: number): boolean {
    return this.#terminal !== null &&
      this.options.platform.terminals.setForeground(this.#terminal, group);
  }

  /** @returns null without a terminal, or when it was closed */
  #foregroundGroup(): number | null {
    if (this.#terminal === null) return null;
    return this.options.platform.terminals.foreground(this.#terminal);
  }

  /** Whether the group is baton's, or one that baton has started, or empty by now. */
  #isOwn(group: number): boolean {
    if (group === this.#ownGroup) return true;
    const members = allProcesses().filter((pid) => processStat(pid)?.group === group);
    if (members.length === 0) return true;
    const own = processTree(this.options.platform.runtime.pid);
    return members.some((pid) => own.includes(pid));
  }

  /**
   * Whether a process of the session waits for baton's group and continues it: the group is not orphaned, setpgid(2).
   */
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
