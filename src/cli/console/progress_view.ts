/** A line on the terminal that shows how far a command is, and leaves no trace. A pipe never sees it. */
import { callControl } from "../../admin/client.ts";
import { SUMMARY_REPLY } from "../../admin/replies.ts";
import { Fd } from "../../platform/fd.ts";
import type { Platform } from "../../platform/platform.ts";
import { processStat } from "../../platform/process/proc.ts";
import { canMoveCursor, paintFor } from "./color.ts";
import { progressLine } from "./progress.ts";
import { clip, harmless } from "./text_width.ts";
import * as v from "valibot";

/**
 * From one line to the next: the service's numbers are no newer (report/look_pace.ts), and what is over sooner needs no
 * line.
 */
const EVERY_MS = 500;
const REPLY_TIMEOUT_MS = 1_000;
/** The width that is assumed of a terminal that does not tell its own. */
const USUAL_COLUMNS = 80;
const STANDARD_ERROR = 2;
const CLEAR = "\r\x1b[K";

interface ProgressView {
  show(text: string): void;
  clear(): void;
}

/** @returns null: standard error is no terminal on which a line can be replaced, or belongs to another job */
export function progressView(platform: Platform): ProgressView | null {
  const { terminals, descriptors, libc, runtime } = platform;
  const env = runtime.env();
  if (!canMoveCursor(env) || !terminals.isTerminal(STANDARD_ERROR)) return null;
  const group = terminals.foreground(STANDARD_ERROR);
  if (group !== null && group !== processStat("self")?.group) return null;
  const paint = paintFor(env, true);
  const output = new Fd(libc, STANDARD_ERROR);
  let isShown = false;
  const write = (text: string) => {
    try {
      descriptors.writeAll(output, new TextEncoder().encode(text));
    } catch {
      // The terminal is gone; the command has its effect all the same.
    }
  };
  return {
    show: (text) => {
      const columns = terminals.sizeOf(output)?.columns ?? USUAL_COLUMNS;
      // In the last column some terminals wrap.
      write(CLEAR + paint("dim", clip(harmless(text), columns - 1)));
      isShown = true;
    },
    clear: () => {
      if (isShown) write(CLEAR);
      isShown = false;
    },
  };
}

/** What is done while a request to `socketPath` waits for its reply. */
export function showing(platform: Platform, socketPath: string, view: ProgressView) {
  const request = { method: "GET", path: "/v1/summary", timeoutMs: REPLY_TIMEOUT_MS } as const;
  const look = () => {
    try {
      const { body } = callControl(platform, socketPath, request);
      const reply = v.safeParse(SUMMARY_REPLY, JSON.parse(body));
      return reply.success ? progressLine(reply.output) : "";
    } catch {
      // The baton does not answer now, or is another version: the command itself says what is wrong.
      return "";
    }
  };
  return {
    everyMs: EVERY_MS,
    call: () => {
      const text = look();
      if (text === "") view.clear();
      else view.show(text);
    },
  };
}
