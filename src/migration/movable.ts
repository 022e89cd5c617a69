/** What becomes of one connection if the old generation is told to stop now. Pure. */
import { isProven, type Look, type Watched } from "./connection.ts";

export type Verdict =
  /** It is at a boundary: the new generation gets it at once. */
  | "moves"
  /** Nothing is under way on it: the new generation gets it with its next request. */
  | "rests"
  /** Something is under way, or may come at any moment: the old generation is not told to stop yet. */
  | "busy"
  /** The old generation keeps it, and closes it when it stops. */
  | "stays";

/**
 * What becomes of it if the old generation is told to stop now.
 * @param watched null: it is not held back
 * @param quietMs a part of an answer may be all that was sent: nothing went over it for this long
 * @param isWaitedFor whoever has not been seen with a request may send one yet
 */
export function verdict(
  watched: Watched | null,
  look: Look | null,
  terms: { quietMs: number; isWaitedFor: boolean },
): Verdict {
  if (look === null) return "busy";
  if (watched === null) return look.activity === "busy" ? "busy" : "stays";
  const { phase, isAlone } = watched;
  if (phase === "boundary") return "moves";
  if (phase === "rest" && isProven(watched) && isAlone) {
    return look.quietForMs >= terms.quietMs ? "rests" : "busy";
  }
  if (look.activity === "busy") return "busy";
  return terms.isWaitedFor && phase !== "unfit" ? "busy" : "stays";
}
