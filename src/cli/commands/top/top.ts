/** `baton top`: a service as it changes, on the whole terminal, or in a pipe as a line for each look. */
import { UserError } from "../../../config/values/errors.ts";
import { SUMMARY_REPLY, type SummaryReply } from "../../../admin/replies.ts";
import { Fd } from "../../../platform/fd.ts";
import type { Platform } from "../../../platform/platform.ts";
import { canMoveCursor, paintFor } from "../../console/color.ts";
import { EXIT_OK } from "../../console/exit_status.ts";
import type { Printer } from "../../console/printer.ts";
import { readReply } from "../../console/replies.ts";
import { callService } from "../../console/target.ts";
import type { TopCommand } from "../../words/parse_top.ts";
import { frame, lineOf } from "./frame.ts";
import { NO_LANES, withLook } from "./lanes.ts";
import { Screen } from "./screen.ts";

const REPLY_TIMEOUT_MS = 2_000;
/** How long the service may be silent where the output is a pipe: longer than an upgrade takes. */
const PATIENCE_MS = 5_000;

/** One look. */
interface Look {
  readonly summary: SummaryReply;
  /** The summary as it came. */
  readonly body: unknown;
}

export async function commandTop(
  platform: Platform,
  command: TopCommand,
  print: Printer,
): Promise<number> {
  const first = lookAt(platform, command);
  // What is watched stays the same, whatever else is started.
  const named = { ...command, name: first.summary.name };
  const env = platform.runtime.env();
  const isScreen = !command.json && canMoveCursor(env) && platform.terminals.isTerminal(1);
  if (!isScreen) return watchAsLines(platform, named, first, print);
  const screen = new Screen(platform, paintFor(env, true));
  try {
    return await watchOnScreen(platform, named, first, screen);
  } finally {
    screen.close();
    await platform.close();
  }
}

function lookAt(platform: Platform, command: TopCommand): Look {
  const request = { method: "GET", path: "/v1/summary", timeoutMs: REPLY_TIMEOUT_MS } as const;
  const reply = callService(platform, command, request);
  return { summary: readReply(SUMMARY_REPLY, "watch the service", reply), body: reply.body };
}

function watchAsLines(
  platform: Platform,
  command: TopCommand,
  first: Look,
  print: Printer,
): number {
  const { clock, descriptors, libc } = platform;
  const { intervalMs, count, json } = command;
  const output = new Fd(libc, 1);
  let look: Look | null = first;
  let answeredAtMs = clock.now();
  for (let number = 1;; number++) {
    if (look !== null) {
      print.out(json ? JSON.stringify(look.body) : lineOf(look.summary, clock.wallMs()));
    }
    if (number === count) return EXIT_OK;
    // `| head -1` needs no more.
    if (print.isClosed || descriptors.waitForHangup(output, intervalMs)) return EXIT_OK;
    try {
      look = lookAt(platform, command);
      answeredAtMs = clock.now();
    } catch (error) {
      if (!(error instanceof UserError) || clock.now() - answeredAtMs > PATIENCE_MS) throw error;
      look = null;
    }
  }
}

async function watchOnScreen(
  platform: Platform,
  command: TopCommand,
  first: Look,
  screen: Screen,
): Promise<number> {
  const { clock } = platform;
  const { intervalMs, count } = command;
  let { summary } = first;
  let lanes = withLook(NO_LANES, summary);
  let trouble: string | null = null;
  const draw = () => {
    const now = { nowMs: clock.wallMs(), intervalMs, trouble, ...screen.size };
    screen.draw(frame({ summary, lanes, ...now }));
  };
  screen.onChange = draw;
  for (let number = 1;; number++) {
    draw();
    if (number === count) return EXIT_OK;
    const status = await screen.wait(intervalMs);
    if (status !== null) return status;
    try {
      ({ summary } = lookAt(platform, command));
      lanes = withLook(lanes, summary);
      trouble = null;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      trouble = error.message;
    }
  }
}
