/**
 * Exit statuses that the service's life can end with; the whole table, with the CLI's own, is in
 * cli/console/exit_status.ts. They are an interface and never change their meaning.
 */

/** Wrong usage or configuration; trying again without a change is useless. */
export const EXIT_USAGE = 64;
/** The new generation failed before it could serve; the old one still serves. */
export const EXIT_NEW_GENERATION_FAILED = 70;
/** A system call failed, the kernel lacks what was asked for, or no baton answers. */
export const EXIT_SYSTEM = 71;
/** Somebody else has it: the service name is taken, the port is held; trying later may help. */
export const EXIT_BUSY = 75;
/** Time was over: connections or processes were cut, or `--timeout` passed. */
export const EXIT_DRAIN_TIMED_OUT = 124;
