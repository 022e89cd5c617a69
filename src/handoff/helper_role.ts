/**
 * Whether a listener belongs to a helper that its server has started for the whole machine (Erlang's epmd, an
 * agent): one that detaches itself, so that it outlives the server, and relies on EADDRINUSE to be alone. Pure.
 *
 * The program alone does not tell: a deployment may change it. So a listener of the leading process, and of what is
 * below it, is never a helper's; nor is that of a server that a script starts in the background and stays in front of,
 * as long as nothing else of that generation listens.
 */
interface ListenerHolder {
  /** Whether the leading process of its generation lives. */
  readonly leaderLives: boolean;
  readonly isBelowLeader: boolean;
  /** Whether it is in the session of the leading process: setsid(2). */
  readonly sharesSession: boolean;
  /** Whether it runs the same file as the leading process. */
  readonly sharesProgram: boolean;
  /** Whether the leading process, or one below it, listens at another address. */
  readonly leaderListens: boolean;
}

export function isHelper(
  { leaderLives, isBelowLeader, sharesSession, sharesProgram, leaderListens }: ListenerHolder,
): boolean {
  return leaderLives && leaderListens && !isBelowLeader && !sharesSession && !sharesProgram;
}
