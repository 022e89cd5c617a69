/**
 * What the supervisor tells a launcher, and what the launcher answers: the protocol between the two
 * halves of one start. Both are always the same binary, so there is no version in it.
 *
 * The launcher is started with the members on descriptors 3, 4, ..., then the control socket
 * (SOCK_SEQPACKET), then a sealed memfd with this plan as JSON; with a `readyDescriptor` these two are
 * behind it, and copies of it fill what is between. It sends one `LaunchReport`; after
 * `filter_installed` and `prepared` it waits for `GO`, and ends if the supervisor does. The control socket is close-on-exec: its end without a
 * report `failed` is the kernel's word that the server's program is running.
 */

/** Hidden verb that makes baton a launcher; its one argument is the number of the control socket. */
export const LAUNCH_VERB = "__launch";

/** The supervisor's go-ahead. */
export const GO = "go";

/** Longest report; messages and paths in them are cut to fit. */
export const REPORT_LIMIT = 8192;

export interface LaunchPlan {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | null;
  /** How many descriptors from 3 on belong to the server. */
  readonly members: number;
  /** A further descriptor of the server's own (`--ready fd:N`), where it is passed already. */
  readonly readyDescriptor?: number;
  /** Set LISTEN_PID to the server's pid (sd_listen_fds(3)). */
  readonly setListenPid: boolean;
  /** System calls to ask the supervisor about; empty = no filter. */
  readonly trap: readonly number[];
  /** Wait for `GO` without a filter too: the supervisor writes down first what it has started. */
  readonly waits: boolean;
  /** Signal when the supervisor dies, 0 = none. */
  readonly parentDeathSignal: number;
  readonly parentPid: number;
  /** Soft RLIMIT_NOFILE for the server (the runtime raised baton's own), null = as it is. */
  readonly fileLimit: number | null;
}

export type LaunchReport =
  /** Carries the notify descriptor. */
  | { readonly kind: "filter_installed" }
  /** There is no filter; it waits all the same. */
  | { readonly kind: "prepared" }
  | { readonly kind: "failed"; readonly status: number; readonly message: string };
