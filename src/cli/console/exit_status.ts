/**
 * The exit statuses of baton, which are an interface. They follow known conventions: sysexits.h (64, 70, 71, 75),
 * timeout(1) (124), and the shell (126, 127, 128+n). scripts/exit_statuses.ts says what each means.
 */
export {
  EXIT_BUSY,
  EXIT_DRAIN_TIMED_OUT,
  EXIT_NEW_GENERATION_FAILED,
  EXIT_SYSTEM,
  EXIT_USAGE,
} from "../../lifecycle/status.ts";

/** The command succeeded, or the server stopped gracefully. */
export const EXIT_OK = 0;
/** `baton ready`: not ready. */
export const EXIT_NOT_READY = 1;
/** `baton rehearse`: the server can be reloaded with the change that is printed. */
export const EXIT_NEEDS_CHANGE = 1;
