/** What one start of a program gets. */
import type { CallRule } from "../platform/process/call_filter.ts";

/** Hidden verb that makes baton a launcher. */
export const LAUNCH_VERB = "__launch";

/** The most processes that a filter spares: its jumps are short. */
export const MOST_SPARED = 32;

export interface LaunchPlan {
  readonly argv: readonly string[];
  /**
   * File of the program; null: the first word names it. `isHeld`: the path leads to a descriptor of the supervisor, to a
   * file that may have no other name any more.
   */
  readonly program: { readonly path: string; readonly isHeld: boolean } | null;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | null;
  /** How many descriptors from 3 on belong to the server, which gets LISTEN_PID with them (sd_listen_fds(3)). */
  readonly members: number;
  /** A further descriptor of the server's own (`--ready fd:N`), where it is passed already. */
  readonly readyDescriptor?: number;
  /** System calls to ask the supervisor about; empty = no filter. */
  readonly trap: readonly CallRule[];
  /** With `trap`: processes that it may not signal without the supervisor's leave, at most `MOST_SPARED`. */
  readonly spared: readonly number[];
  /** Wait for the go-ahead without a filter too: the supervisor writes down first what it has started. */
  readonly waits: boolean;
  /** Signal when the supervisor dies, 0 = none. */
  readonly parentDeathSignal: number;
  readonly parentPid: number;
  /** Soft RLIMIT_NOFILE for the server (the runtime raised baton's own), null = as it is. */
  readonly fileLimit: number | null;
  /** Further limits; `soft` and `hard` Infinity: none. */
  readonly limits: readonly {
    readonly name: string;
    readonly resource: number;
    readonly soft: number;
    readonly hard: number;
  }[];
  /** Nice value; null: as it is. */
  readonly nice: number | null;
  readonly umask: number | null;
  readonly account: Account | null;
}

/** The user that the program runs as. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
  /** The account in words, for messages. */
  readonly text: string;
}

/** Why a program never ran, with the exit status that stands for it. */
export interface LaunchFailure {
  readonly status: number;
  readonly message: string;
}
