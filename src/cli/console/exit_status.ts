/**
 * Every exit status of baton, with its meaning: the table behind docs/exit-status.md.
 *
 * Guarantees: the numbers are an interface and never change their meaning. They follow what people
 * know already: sysexits.h (64, 70, 71, 75), timeout(1) (124), and the shell (126, 127, 128+n).
 * Does not exit: only `cli/run.ts` does.
 */

import { VERB_NAMES } from "../words/help.ts";
import { STATUS_NOT_EXECUTABLE, STATUS_NOT_FOUND } from "../../launcher/resolve.ts";
import {
  EXIT_BUSY,
  EXIT_DRAIN_TIMED_OUT,
  EXIT_NEW_GENERATION_FAILED,
  EXIT_SYSTEM,
  EXIT_USAGE,
} from "../../lifecycle/status.ts";

export { EXIT_BUSY, EXIT_DRAIN_TIMED_OUT, EXIT_NEW_GENERATION_FAILED, EXIT_SYSTEM, EXIT_USAGE };

/** Done: the command succeeded, or the server ended well after a graceful stop. */
export const EXIT_OK = 0;
/** `baton ready`: no. */
export const EXIT_NOT_READY = 1;
/** Added to the number of the signal that ended the server. */
const EXIT_SIGNAL_BASE = 128;

/** One line of the documentation. */
interface ExitStatusEntry {
  /** The number, or words for a range: `128+n`. */
  readonly status: string;
  readonly meaning: string;
  /** The verbs that can end with it. */
  readonly verbs: readonly string[];
}

/** They ask a running service for something that it may refuse. */
const CHANGING = ["reload", "promote", "rollback", "canary", "upgrade"];

/** Every status, in the order of the documentation. */
export const EXIT_STATUSES: readonly ExitStatusEntry[] = [
  {
    status: String(EXIT_OK),
    meaning: "Done. For run: the server ended with 0, or was stopped gracefully on request.",
    verbs: [...VERB_NAMES],
  },
  {
    status: String(EXIT_NOT_READY),
    meaning: "The service gets no traffic: it is starting, or ending.",
    verbs: ["ready"],
  },
  {
    status: "1-255",
    meaning: "The server's own exit status, when it ended by itself and was not started again.",
    verbs: ["run"],
  },
  {
    status: String(EXIT_USAGE),
    meaning: "Wrong usage or configuration. Nothing was started or changed.",
    verbs: [...VERB_NAMES],
  },
  {
    status: String(EXIT_NEW_GENERATION_FAILED),
    meaning: "The new generation, or the new baton of an upgrade, failed before it could serve. " +
      "After a reload or upgrade the old one serves.",
    verbs: ["run", "reload", "upgrade"],
  },
  {
    status: String(EXIT_SYSTEM),
    meaning: "A system call failed, the kernel lacks what was asked for, no baton answers, or " +
      "standard output could not be written.",
    verbs: [...VERB_NAMES],
  },
  {
    status: String(EXIT_BUSY),
    meaning: "Busy: the service name is taken, the port is held by another, the service is being " +
      "stopped, or it is not in a state for this. Trying again later may help.",
    verbs: ["run", ...CHANGING, "prestop"],
  },
  {
    status: String(EXIT_DRAIN_TIMED_OUT),
    meaning: "The time was over: connections were left at the end of a drain and were cut, " +
      "processes had not ended and were killed, or no outcome or answer came in time (--timeout).",
    verbs: ["run", ...CHANGING, "status", "stop", "ready", "prestop"],
  },
  {
    status: String(STATUS_NOT_EXECUTABLE),
    meaning: "The program of the server was found but cannot be executed.",
    verbs: ["run"],
  },
  {
    status: String(STATUS_NOT_FOUND),
    meaning: "The program of the server was not found.",
    verbs: ["run"],
  },
  {
    status: `${EXIT_SIGNAL_BASE}+n`,
    meaning: "The server was ended by signal n that nobody asked baton for, as in a shell.",
    verbs: ["run"],
  },
];
