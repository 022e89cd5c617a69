/** Terminals, and which process group has their foreground. tty_ioctl(4), termios(3), tcsetpgrp(3) */
import { type Libc, struct } from "../libc/libc.ts";
import { C } from "../libc/constants.ts";
import { type Fd, numberOf } from "../fd.ts";
import type { Processes } from "./processes.ts";

/** The kernel's `struct termios`, which is smaller than the C library's. */
const TERMIOS_SIZE = 64;
const LOCAL_FLAGS_OFFSET = 12;

export class Terminals {
  constructor(readonly libc: Libc, readonly processes: Processes) {}

  isTerminal(fd: Fd | number): boolean {
    return this.#localFlags(fd) !== null;
  }

  /** Whether `fd` is a terminal to which processes in the background may write (`stty -tostop`, the default). */
  takesOutput(fd: Fd | number): boolean {
    const flags = this.#localFlags(fd);
    return flags !== null && (flags & C.TOSTOP) === 0;
  }

  /** @returns null: `fd` is no terminal, or one that has no size */
  sizeOf(fd: Fd | number): { readonly rows: number; readonly columns: number } | null {
    // struct winsize { unsigned short ws_row, ws_col, ws_xpixel, ws_ypixel; }
    const { bytes, view } = struct(8);
    if (this.libc.c.ioctl(numberOf(fd), C.TIOCGWINSZ, bytes) !== 0) return null;
    const [rows, columns] = [view.getUint16(0, true), view.getUint16(2, true)];
    return rows === 0 || columns === 0 ? null : { rows, columns };
  }

  /**
   * From now on each key is read as it is pressed, and not shown. Ctrl-C and Ctrl-Z stay signals.
   * @returns makes it as it was before
   */
  readKeys(fd: Fd | number): () => void {
    const { bytes, view } = struct(TERMIOS_SIZE);
    if (this.libc.c.ioctl(numberOf(fd), C.TCGETS, bytes) !== 0) return () => {};
    const before = bytes.slice();
    const flags = view.getUint32(LOCAL_FLAGS_OFFSET, true);
    view.setUint32(LOCAL_FLAGS_OFFSET, flags & ~(C.ICANON | C.ECHO), true);
    this.libc.c.ioctl(numberOf(fd), C.TCSETSW, bytes);
    return () => void this.libc.c.ioctl(numberOf(fd), C.TCSETSW, before);
  }

  #localFlags(fd: Fd | number): number | null {
    const { bytes, view } = struct(TERMIOS_SIZE);
    if (this.libc.c.ioctl(numberOf(fd), C.TCGETS, bytes) !== 0) return null;
    return view.getUint32(LOCAL_FLAGS_OFFSET, true);
  }

  /** @returns the group in the foreground; null: `fd` is not the terminal of our session */
  foreground(fd: Fd | number): number | null {
    const { bytes, view } = struct(4);
    if (this.libc.c.ioctl(numberOf(fd), C.TIOCGPGRP, bytes) !== 0) return null;
    return view.getInt32(0, true);
  }

  /**
   * Puts a group of our session into the foreground; from the background, where SIGTTOU is blocked.
   * @returns false when there is no such group, or it is not our terminal any more
   */
  setForeground(fd: Fd | number, group: number): boolean {
    const { bytes, view } = struct(4);
    view.setInt32(0, group, true);
    this.processes.blockSignals([C.SIGTTOU]);
    try {
      return this.libc.c.ioctl(numberOf(fd), C.TIOCSPGRP, bytes) === 0;
    } finally {
      this.processes.unblockSignals([C.SIGTTOU]);
    }
  }
}
