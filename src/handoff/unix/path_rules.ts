/**
 * Who may do what to which path. Pure.
 *
 * All generations name the same public path, and each means the node that it has bound: a server that prepares its path
 * (removes it, asks whether somebody answers there), finishes it (mode, owner, rename) or clears up behind itself must
 * find what it would find alone, and must not touch what clients of another generation use.
 */

export interface PathDeed {
  readonly deed: "unlink" | "rename onto" | "rename away" | "chmod" | "chown" | "connect";
  /**
   * What the caller's generation is at this path. `serving`: clients find its node. `trial`: they do, and another
   * generation is still there for them.
   */
  readonly role: "candidate" | "trial" | "serving" | "draining";
  /** Whether the call names the public path, or what getsockname(2) says of the generation's own node. */
  readonly named: "public" | "own";
  /** Whether its generation has bound a node for this path, which has a name. */
  readonly hasNode: boolean;
  /** What is renamed: a node that its generation has bound, what has the public name already, or another file. */
  readonly source: "own node" | "same" | "other";
}

export type PathVerdict =
  /** The kernel carries it out. */
  | "pass"
  /** It succeeds, and nothing is done. */
  | "pretend"
  /** It is done to the generation's own node. */
  | "own node"
  /** It is done to the public path, which has the generation's node. */
  | "public path"
  /** The renamed node is the generation's own for this path. It gets the public name at the switch. */
  | "hold back"
  /** It fails as where no process listens: ECONNREFUSED. */
  | "refuse"
  /** It fails with EBUSY: another generation's clients would find the node. */
  | "busy";

export function judgePathDeed(of: PathDeed): PathVerdict {
  const { role, named, hasNode } = of;
  switch (of.deed) {
    case "connect":
      if (role !== "candidate" || of.named === "own") return "pass";
      // A candidate that connects asks whether another server is there (php-fpm, puma). A process whose generation has
      // bound the path means its own node: a worker that talks to its master.
      return hasNode ? "own node" : "refuse";
    case "rename onto":
      if (of.source === "same" || role === "serving" || role === "trial") return "pass";
      return role === "candidate" && of.source === "own node" ? "hold back" : "busy";
    case "rename away":
      if (role === "serving") return "pass";
      // The node that clients find is needed until the roll-back.
      return hasNode && role === "candidate" ? "busy" : "pretend";
    default:
      // Clients go back to the other generation's node when this one has ended.
      if (role === "trial" && of.deed === "unlink") return "pretend";
      if (role === "serving" || role === "trial") return named === "own" ? "public path" : "pass";
      return role === "candidate" && hasNode ? "own node" : "pretend";
  }
}

/** What makes a path one that a second start of the same server would not use. */
interface PathMarks {
  /** The path as the server named it. */
  readonly path: string;
  /** Ids of the process that binds it, and of its ancestors in the generation. */
  readonly pids: readonly number[];
  /** Whether its directory was made by the generation, for its own user only, as mkdtemp(3) does. */
  readonly isInOwnDirectory: boolean;
}

/**
 * The least number that is taken for a process id: where those start from 1 (a container), small numbers in names have
 * another meaning.
 */
const LEAST_PID = 100;
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/i;

/** What mkdtemp(3) and its like put at the end of a directory's name: letters alone may be a word. */
const RANDOM_DIRECTORY = /[-_.]((?=\w*[0-9A-Z_])\w{6,}|\w{8})\/[^/]+$/;

/**
 * Whether a path is another one at each start: its clients learn it from the process, and no other generation can
 * answer there.
 */
export function isPrivatePath({ path, pids, isInOwnDirectory }: PathMarks): boolean {
  const numbers = [...path.matchAll(/\d+/g)].map(([digits]) => Number(digits));
  return UUID.test(path) || pids.some((pid) => pid >= LEAST_PID && numbers.includes(pid)) ||
    (isInOwnDirectory && RANDOM_DIRECTORY.test(path));
}
