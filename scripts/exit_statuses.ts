/** Every exit status of baton, with its meaning and the verbs that can end with it: the table of docs/exit-status.md. */
import {
  EXIT_BUSY,
  EXIT_DRAIN_TIMED_OUT,
  EXIT_NEW_GENERATION_FAILED,
  EXIT_NOT_READY,
  EXIT_OK,
  EXIT_SYSTEM,
  EXIT_USAGE,
} from "../src/cli/console/exit_status.ts";
import { VERB_NAMES } from "../src/cli/words/verbs.ts";
import { STATUS_NOT_EXECUTABLE, STATUS_NOT_FOUND } from "../src/launcher/resolve.ts";

/** Commands that request a change of a running service, which it may refuse. */
const CHANGING = ["reload", "promote", "rollback", "canary", "scale", "upgrade"];

/** In the order of the page. */
export const EXIT_STATUSES = [
  {
    status: String(EXIT_OK),
    meaning: "Success. For run: the server exited with 0, or was stopped gracefully on request.",
    verbs: VERB_NAMES,
  },
  {
    status: String(EXIT_NOT_READY),
    meaning:
      "For ready: the service gets no traffic, it is starting or stopping. For rehearse: the " +
      "server can be reloaded with the change that is printed, and not without it. For hot-restarter: as " +
      "Envoy's hot-restarter.py: a child ended abnormally, or had to be killed; or the target is missing.",
    verbs: ["ready", "rehearse", "hot-restarter"],
  },
  {
    status: "1-255",
    meaning: "The server's own exit status, when it exited by itself and was not restarted.",
    verbs: ["run"],
  },
  {
    status: String(EXIT_USAGE),
    meaning: "Wrong usage or configuration. Nothing was started or changed.",
    verbs: VERB_NAMES,
  },
  {
    status: String(EXIT_NEW_GENERATION_FAILED),
    meaning: "The new generation, or the new baton of an upgrade, failed before it could serve. " +
      "After a reload or upgrade the old one keeps serving. For scale: a worker failed before it could serve, and " +
      "the others serve on. For rehearse: it cannot be reloaded, or does not start.",
    verbs: ["run", "reload", "scale", "upgrade", "rehearse"],
  },
  {
    status: String(EXIT_SYSTEM),
    meaning: "A system call failed, the kernel lacks a needed feature, no baton answers, or " +
      "standard output could not be written.",
    verbs: VERB_NAMES,
  },
  {
    status: String(EXIT_BUSY),
    meaning: "Busy: the service name is taken, another process holds the port, the service is " +
      "stopping, or its state does not allow this. Trying again later may help.",
    verbs: ["run", ...CHANGING, "prestop"],
  },
  {
    status: String(EXIT_DRAIN_TIMED_OUT),
    meaning: "Timed out: connections were cut at the end of a drain, processes did not exit and " +
      "were killed, or no outcome or reply arrived in time (--timeout).",
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
    status: "128+n",
    meaning:
      "The server was killed by signal n, which baton did not send on request; as in a shell.",
    verbs: ["run"],
  },
];
