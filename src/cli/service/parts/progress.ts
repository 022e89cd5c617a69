/**
 * How far a reload, a drain or a stop is, in the last row of the terminal that `baton run` was started at. Servers print
 * above it. Imported at a terminal only; its timer runs only while there is something to show.
 */
import type { Timer } from "../../../platform/clock.ts";
import { Fd } from "../../../platform/fd.ts";
import type { Platform } from "../../../platform/platform.ts";
import { processStat } from "../../../platform/process/proc.ts";
import type { Step } from "../../../report/step.ts";
import type { Summary } from "../../../report/summary.ts";
import { paintFor } from "../../console/color.ts";
import { progressLine } from "../../console/progress.ts";
import { giveBackLastRow, inLastRow, LEAST_ROWS, takeLastRow } from "../../console/status_bar.ts";
import { clip, harmless } from "../../console/text_width.ts";

/** From one line to the next; what is over sooner is not shown. */
const EVERY_MS = 1_000;
const STANDARD_ERROR = 2;

export class TerminalProgress {
  readonly #output: Fd;
  readonly #forget: () => void;
  #timer: Timer | null = null;
  /** Rows of the terminal whose last row is taken; null: none is. */
  #rows: number | null = null;

  constructor(readonly platform: Platform, readonly summary: () => Summary) {
    this.#output = new Fd(platform.libc, STANDARD_ERROR);
    // Before baton stops itself: the shell gets the whole terminal.
    this.#forget = platform.runtime.onSignal("SIGTSTP", () => this.#hide());
  }

  onStep({ after }: Pick<Step, "after">): void {
    const isLeaving = after.finished || after.upgrade !== null;
    if (isLeaving) return this.#end();
    const isSteady = after.generations.every(({ state }) => state === "serving");
    if (!isSteady && this.#timer === null) this.#arm();
  }

  close(): void {
    this.#end();
    this.#forget();
  }

  #arm(): void {
    this.#timer = this.platform.clock.after(EVERY_MS, () => this.#look());
  }

  #look(): void {
    const text = progressLine(this.summary());
    if (text === "") return this.#end();
    this.#show(text);
    this.#arm();
  }

  #show(text: string): void {
    const { terminals, runtime } = this.platform;
    const size = terminals.sizeOf(this.#output);
    if (size === null || size.rows < LEAST_ROWS || !this.#isOurs()) return this.#hide();
    const { rows, columns } = size;
    if (this.#rows !== rows) this.#hide();
    const first = this.#rows === null ? takeLastRow(rows) : "";
    const shown = paintFor(runtime.env(), true)("dim", clip(harmless(text), columns - 1));
    if (this.#write(first + inLastRow(rows, shown))) this.#rows = rows;
  }

  /**
   * Whether baton may write to the terminal: not while a server has the foreground, or baton is a job in the
   * background.
   */
  #isOurs(): boolean {
    const group = this.platform.terminals.foreground(this.#output);
    return group === null || group === processStat("self")?.group;
  }

  #hide(): void {
    if (this.#rows !== null && this.#write(giveBackLastRow(this.#rows))) this.#rows = null;
  }

  #end(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#hide();
  }

  /** Never waits: a terminal may be stopped (Ctrl-S). @returns false: nothing was written */
  #write(text: string): boolean {
    const { descriptors } = this.platform;
    try {
      if (!descriptors.isWritable(this.#output)) return false;
      descriptors.write(this.#output, new TextEncoder().encode(text));
      return true;
    } catch {
      return false; // The terminal is gone.
    }
  }
}
