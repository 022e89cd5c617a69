/** The outer half of a rehearsal, in the user's own process: starts the stage, and hears what the director sends. */
import { networkInterfaces } from "node:os";
import { unixSockets } from "../inspect/unix_sockets.ts";
import { errorText, SystemCallError } from "../platform/error.ts";
import { CAPABILITY } from "../platform/libc/capability_bits.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import { HelperProcess, ownProgram } from "../platform/process/helper_process.ts";
import { CHROOTED, isChrooted } from "../platform/process/namespaces.ts";
import { hasCapability, readText } from "../platform/process/proc.ts";
import { startAsUser } from "../platform/process/user_namespace.ts";
import {
  type Attempt,
  type Kept,
  parseMessage,
  type RehearsalMessage,
  type RehearsalPlan,
  STAGE_VERB,
} from "./plan.ts";

const MARGIN_MS = 30_000;
const MOST_STARTS = 3;

/** What was refused, where a rehearsal cannot be made. */
export class RefusedError extends Error {
  constructor(
    message: string,
    readonly code: string,
    readonly asRoot: boolean,
    /** What helps, where it is known what is in the way; null: that is not known. */
    readonly remedy: string | null = null,
  ) {
    super(message);
  }
}

export interface Seen {
  readonly attempts: readonly Attempt[];
  /**
   * What became of kept connections, with the words of the first good attempt; empty where the server keeps no
   * connections, or there is no such attempt.
   */
  readonly kept: readonly Kept[];
  /** Places that could be shown only without the right to write. */
  readonly readOnly: readonly string[];
  readonly spaceRanOut: boolean;
}

interface RehearsalOptions {
  readonly plan: Omit<RehearsalPlan, "user" | "unixPaths" | "addresses">;
  readonly onStep: (text: string) => void;
}

/** Blocks until it is over. @throws {RefusedError} */
export function rehearse(platform: Platform, { plan, onStep }: RehearsalOptions): Seen {
  const isRoot = hasCapability(CAPABILITY.CAP_SYS_ADMIN);
  if (isChrooted()) throw new RefusedError(CHROOTED.what, "EINVAL", isRoot, CHROOTED.remedy);
  const user = isRoot ? null : ownIds();
  // Sockets with a path: another namespace could still connect to them.
  const unixPaths = unixSockets().map(({ path }) => path).filter((path) => path.startsWith("/"));
  const whole = { ...plan, user, unixPaths, addresses: ownAddresses() };
  try {
    return onceMoreIfLost(() => {
      using stage = startStage(platform, whole);
      return hear(stage, whole, onStep, isRoot);
    });
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    throw new RefusedError(error.message, error.code, isRoot);
  }
}

/** The stage has ended before the director said anything: nothing has happened yet. */
class LostStageError extends Error {}

/**
 * Tries a second time if the stage was lost. Seen once in some 300 starts, on a busy machine: the runtime of the stage
 * crashed. The likely cause: between unshare(2) with CLONE_NEWPID and the start of the director its thread can start no
 * other thread, pid_namespaces(7).
 */
function onceMoreIfLost<T>(run: () => T): T {
  for (let left = MOST_STARTS - 1;; left--) {
    try {
      return run();
    } catch (error) {
      if (left === 0 || !(error instanceof LostStageError)) throw error;
    }
  }
}

/**
 * Starts the stage: for an ordinary user in a user namespace in which this user is root: all others need no privilege
 * from there.
 */
function startStage(platform: Platform, plan: RehearsalPlan): HelperProcess {
  using nothing = platform.descriptors.open("/dev/null", C.O_RDWR);
  // What it has to say are messages; the service's output is kept in the rehearsal.
  const options = { verb: STAGE_VERB, descriptors: [nothing, nothing, nothing], plan };
  if (plan.user === null) return new HelperProcess(platform, options);
  const ids = { inside: { uid: 0, gid: 0 }, outside: plan.user };
  return startAsUser(platform, ids, { ...options, program: ownProgram(platform) });
}

function hear(
  stage: HelperProcess,
  { startMs, stopMs }: RehearsalPlan,
  onStep: (text: string) => void,
  asRoot: boolean,
): Seen {
  const [attempts, kept]: [Attempt[], Kept[]] = [[], []];
  let [readOnly, isBegun]: [readonly string[], boolean] = [[], false];
  for (;;) {
    const message = nextMessage(stage, 2 * (startMs + stopMs) + MARGIN_MS, isBegun);
    isBegun = true;
    switch (message.kind) {
      case "step":
        onStep(message.text);
        break;
      case "refused":
        throw new RefusedError(message.what, message.code, asRoot);
      case "view":
        readOnly = message.readOnly;
        break;
      case "attempt":
        attempts.push(message.attempt);
        break;
      case "kept":
        kept.push(message.kept);
        break;
      case "end":
        return { attempts, kept, readOnly, spaceRanOut: message.spaceRanOut };
    }
  }
}

function nextMessage(stage: HelperProcess, limitMs: number, isBegun: boolean): RehearsalMessage {
  try {
    return parseMessage(stage.awaitMessage(limitMs).data);
  } catch (error) {
    if (isBegun || error instanceof SystemCallError) throw error;
    throw new LostStageError(errorText(error), { cause: error });
  }
}

function ownIds(): { uid: number; gid: number } {
  const status = readText("/proc/self/status") ?? "";
  const effective = (name: string) =>
    Number(new RegExp(`^${name}:\\s+\\d+\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
  return { uid: effective("Uid"), gid: effective("Gid") };
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((each) => each ?? [])
    .filter(({ family, internal }) => family === "IPv4" && !internal).map(({ address }) => address);
}
