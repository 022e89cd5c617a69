/**
 * The whole terminal for as long as `baton top` runs; afterwards it is as it was before, also after Ctrl-C, TERM and a hang-up.
 * Ctrl-Z gives it back until the shell continues baton.
 */
import type { Timer } from "../../../platform/clock.ts";
import { Fd } from "../../../platform/fd.ts";
import { C } from "../../../platform/libc/constants.ts";
import type { Platform } from "../../../platform/platform.ts";
import type { Watch } from "../../../platform/reactor.ts";
import type { Paint } from "../../console/color.ts";
import type { Line } from "./frame.ts";

/** The size that is assumed of a terminal that does not tell its own. */
const USUAL_SIZE = { rows: 24, columns: 80 };
/** The other screen, no cursor, no wrap: a line that is longer than it seems must not move the others. */
const ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H";
const END_LINE = "\x1b[K";
const END_SCREEN = "\x1b[J";
/** Also Ctrl-D. */
const QUITS = ["q", "Q", "\x04"];
const READ_SIZE = 64;
/** Signals that end it, with the status that a shell has for each. Ctrl-\ is SIGQUIT. */
const ENDS = [["SIGINT", 0], ["SIGTERM", 143], ["SIGHUP", 129], ["SIGQUIT", 131]] as const;

export class Screen {
  /** Resolves to the exit status, once the program is to end. */
  readonly ended: Promise<number>;
  /** The size has changed, or the terminal is ours again. */
  onChange: () => void = () => {};
  readonly #output: Fd;
  readonly #input: Fd;
  readonly #end: (status: number) => void;
  readonly #forget: (() => void)[] = [];
  #watch: Watch | null = null;
  #restoreKeys: () => void = () => {};
  #isShown = false;
  #timer: Timer | null = null;

  constructor(readonly platform: Platform, readonly paint: Paint) {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.ended = promise;
    this.#end = resolve;
    this.#output = new Fd(platform.libc, 1);
    this.#input = new Fd(platform.libc, 0);
    const { runtime } = platform;
    for (const [signal, status] of ENDS) {
      this.#forget.push(runtime.onSignal(signal, () => this.#end(status)));
    }
    this.#forget.push(runtime.onSignal("SIGWINCH", () => this.onChange()));
    this.#forget.push(runtime.onSignal("SIGTSTP", () => this.#suspend()));
    this.#forget.push(runtime.onSignal("SIGCONT", () => this.#enter()));
    this.#enter();
  }

  get size(): { readonly rows: number; readonly columns: number } {
    return this.platform.terminals.sizeOf(this.#output) ?? USUAL_SIZE;
  }

  draw(lines: readonly Line[]): void {
    if (!this.#isShown) return;
    const shown = lines.map((line) =>
      line.map(([style, text]) => this.paint(style, text)).join("")
    );
    this.#write(HOME + shown.map((line) => line + END_LINE).join("\r\n") + END_SCREEN);
  }

  /** Waits `delayMs`, or until the program is to end. @returns the exit status; null: the time is over */
  async wait(delayMs: number): Promise<number | null> {
    const { promise, resolve } = Promise.withResolvers<null>();
    this.#timer = this.platform.clock.after(delayMs, () => resolve(null));
    const status = await Promise.race([this.ended, promise]);
    this.#timer.cancel();
    return status;
  }

  #enter(): void {
    if (this.#isShown) return;
    this.#isShown = true;
    const { terminals, reactor } = this.platform;
    if (terminals.isTerminal(this.#input)) {
      this.#restoreKeys = terminals.readKeys(this.#input);
      this.#watch ??= reactor.watch(this.#input, () => this.#readKeys());
    }
    this.#write(ENTER);
    this.onChange();
  }

  #leave(): void {
    if (!this.#isShown) return;
    this.#isShown = false;
    this.#write(LEAVE);
    this.#restoreKeys();
  }

  #readKeys(): void {
    const keys = this.platform.descriptors.read(this.#input, new Uint8Array(READ_SIZE));
    if (keys === null) return this.#watch?.arm();
    // The terminal is gone.
    if (keys.length === 0) return this.#end(0);
    const text = new TextDecoder().decode(keys);
    if (QUITS.some((key) => text.includes(key))) return this.#end(0);
    this.#watch?.arm();
    this.onChange();
  }

  #suspend(): void {
    this.#leave();
    this.platform.processes.signal(this.platform.runtime.pid, C.SIGSTOP);
  }

  #write(text: string): void {
    try {
      this.platform.descriptors.writeAll(this.#output, new TextEncoder().encode(text));
    } catch {
      // The terminal is gone: the hang-up ends us.
      this.#end(0);
    }
  }

  close(): void {
    this.#watch?.cancel();
    this.#leave();
    for (const forget of this.#forget) forget();
  }
}
