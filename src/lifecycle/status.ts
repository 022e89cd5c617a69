/**
 * Exit statuses of the service; the whole table, with those of the CLI, is in cli/console/exit_status.ts. They are an
 * interface and never change their meaning.
 */

/** Wrong usage or configuration; a retry without a change is useless. */
export const EXIT_USAGE = 64;
/** The new generation failed before it could serve; the old one still serves. */
export const EXIT_NEW_GENERATION_FAILED = 70;
/** A system call failed, the kernel lacks a feature, or no baton answers. */
export const EXIT_SYSTEM = 71;
/** In use: the service name is taken, the port is held; a later retry may succeed. */
export const EXIT_BUSY = 75;
/** Time-out: connections or processes were cut, or `--timeout` passed. */
export const EXIT_DRAIN_TIMED_OUT = 124;
