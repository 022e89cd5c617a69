/**
 * Looks at a candidate that listens until it has come to rest (settling.ts). The kernel reports neither that nor a
 * close(2) while baton holds a duplicate, so this reads /proc: soon, and less and less often while a server takes long.
 */
import { SocketTable } from "../drain/connections.ts";
import type { Timer } from "../platform/clock.ts";
import { orNull } from "../platform/error.ts";
import { isAsleep } from "../platform/process/rest.ts";
import { isIgnored, type ListenerUse, listenerUse } from "../process/listener_use.ts";
import type { Member } from "../steering/member.ts";
import { closedText } from "./gate.ts";
import type { WorkerParts } from "./workers/worker_parts.ts";
import {
  nextSettling,
  NOT_SETTLED,
  SETTLE_MS,
  type Settling,
  settlingVerdict,
} from "./settling.ts";

/** Before the first look: a server that listens waits for connections a few system calls later. */
const FIRST_PAUSE_MS = 0.25;
/** Before the second one. */
const NEXT_PAUSE_MS = 1;
const LOOK_GROWTH = 1.4;
const LONGEST_PAUSE_MS = 250;

interface RestWatchOptions
  extends Pick<WorkerParts, "context" | "epoch" | "number" | "gate" | "server"> {
  readonly refreshListeners: () => void;
  readonly onChange: () => void;
  readonly fail: (reason: string) => void;
}

export class RestWatch {
  #timer: Timer | null = null;
  #isOver = false;
  #pauseMs = FIRST_PAUSE_MS;
  #beganAtMs = 0;
  #settling: Settling = NOT_SETTLED;

  constructor(readonly options: RestWatchOptions) {}

  /** Begins to look; does nothing while looks are under way, or have ended. */
  begin(): void {
    if (this.#isOver || this.#timer !== null) return;
    this.#beganAtMs = this.options.context.platform.clock.now();
    this.#schedule();
  }

  /** The worker listens at one more address, or again: it is looked at soon. */
  lookSoon(): void {
    if (this.#timer === null || this.#isOver) return;
    this.#timer.cancel();
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#schedule();
  }

  end(): void {
    this.#isOver = true;
    this.#timer?.cancel();
  }

  /** Whether the worker has `member` open, and will accept nothing from it. */
  ignores(member: Member): ReturnType<typeof isIgnored> {
    const { context: { platform }, server } = this.options;
    return isIgnored(platform, member, server.processes());
  }

  #schedule(): void {
    const { clock } = this.options.context.platform;
    this.#timer = clock.after(this.#pauseMs, () => this.#look());
    const longer = Math.max(this.#pauseMs * LOOK_GROWTH, NEXT_PAUSE_MS);
    this.#pauseMs = Math.min(longer, LONGEST_PAUSE_MS);
  }

  #look(): void {
    const { context: { platform: { clock } }, gate, refreshListeners, onChange, fail } =
      this.options;
    const atMs = clock.now();
    const use = this.#use();
    if (use === "unheld") refreshListeners();
    const look = {
      atMs,
      use,
      isAsleep: use === "unheld" && this.#mayFail &&
        this.options.server.processes().every(isAsleep),
      isAlone: this.#isAlone,
      hasAccepted: use === "held" && atMs - this.#beganAtMs >= SETTLE_MS && this.#hasAccepted(),
    };
    this.#settling = nextSettling(this.#settling, look);
    const verdict = settlingVerdict(this.#settling, look);
    if (verdict === "rests") refreshListeners();
    // It may have another listener, which it has closed.
    if (verdict === "waits" || verdict === "rests" && !gate.isListening) return this.#schedule();
    this.end();
    if (verdict === "closed") return fail(closedText(gate.closed));
    gate.isAtRest = true;
    onChange();
  }

  /**
   * Whether the worker may fail by what is seen here. The first generation may not: it disturbs no other, and has the
   * whole time of its gate.
   */
  get #mayFail(): boolean {
    return this.options.context.listeners.servingEpoch !== null;
  }

  #use(): ListenerUse {
    const { context: { platform }, epoch, number, gate, server } = this.options;
    const pids = server.processes();
    const members = gate.listening.flatMap((group) => group.membersOf(epoch, number))
      .filter(({ owner, unheld }) => owner !== 0 && !unheld);
    return listenerUse(platform, members, pids);
  }

  /** Whether no other generation gets connections. */
  get #isAlone(): boolean {
    const { context: { listeners }, epoch } = this.options;
    return listeners.groups.every(({ receivingEpochs }) =>
      [...receivingEpochs].every((each) => each === epoch)
    );
  }

  #hasAccepted(): boolean {
    const { context: { platform, listeners }, epoch, server } = this.options;
    const table = orNull(() => new SocketTable(platform, listeners));
    return table !== null &&
      table.connectionsOf({ epoch, processes: () => server.processes() }).length > 0;
  }
}
