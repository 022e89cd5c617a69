/**
 * Baton's side of its holder (`holder.ts`): starts it, keeps what it holds up to date, and starts
 * another one when it has gone.
 *
 * When `keep` returns, what it was given outlives baton: it is in the socket of the holder, whatever
 * happens to this process. So `keep` comes before whatever it tells of.
 */
import type { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import type { Watch } from "../platform/reactor.ts";
import { decodeMessage, encodeMessage, HOLD_MESSAGE_LIMIT, HOLD_VERB } from "./holder_protocol.ts";
import type { HolderMessage, HolderOrder } from "./holder_protocol.ts";
import type { ResumeState } from "./resume_state.ts";

const CONTROL_DESCRIPTOR = 3;
/** A holder that does not read for this long, or does not start, is replaced. */
const HOLDER_TIMEOUT_MS = 10_000;
const SIGKILL = 9;

interface HolderProcess {
  readonly pid: number;
  readonly control: Fd;
  readonly watch: Watch;
}

export interface KeeperOptions {
  readonly path: string;
  /** Another holder is there, which must go on until this one has everything. */
  readonly isNext: boolean;
  readonly onStarted: (pid: number) => void;
  /** It has gone: everything must be given to another one. */
  readonly onGone: () => void;
}

export class Keeper {
  #holder: HolderProcess;
  #isNext: boolean;
  #hasEnded = false;
  /** What the holder has: the number of the descriptor behind each name. */
  #held = new Map<string, number>();

  /** @throws {Error} when no holder can be started */
  constructor(readonly platform: Platform, readonly options: KeeperOptions) {
    this.#isNext = options.isNext;
    this.#holder = this.#start();
  }

  #start(): HolderProcess {
    const { runtime, sockets, descriptors, processes, reactor } = this.platform;
    const [ours, theirs] = sockets.pair();
    const [program = "", ...prefix] = runtime.selfCommand;
    const mode = this.#isNext ? "next" : "new";
    using nothing = descriptors.open("/dev/null", C.O_RDWR);
    const pid = processes.spawn({
      path: program,
      argv: [
        "baton",
        ...prefix,
        HOLD_VERB,
        String(CONTROL_DESCRIPTOR),
        this.options.path,
        mode,
      ],
      env: runtime.env(),
      descriptors: [nothing, nothing, nothing, theirs],
    });
    theirs.close();
    sockets.setTimeouts(ours, HOLDER_TIMEOUT_MS);
    const hello = descriptors.receive(ours, HOLD_MESSAGE_LIMIT);
    if (hello === null || decodeMessage<HolderMessage>(hello.data)?.kind !== "holds") {
      ours.close();
      processes.signal(pid, SIGKILL);
      throw new Error(`Cannot start a holder for --survive: it did not say that it holds`);
    }
    this.options.onStarted(pid);
    // It never says anything else: this is its end.
    const watch = reactor.watch(ours, () => this.#onGone());
    this.#isNext = false;
    return { pid, control: ours, watch };
  }

  #onGone(): void {
    this.#forget();
    this.#holder = this.#start();
    this.options.onGone();
  }

  #forget(): void {
    this.#holder.watch.cancel();
    this.#holder.control.close();
    this.#held = new Map();
  }

  /** Makes the holder have exactly these, and this state. */
  keep(descriptors: ReadonlyMap<string, Fd>, state: ResumeState): void {
    if (this.#hasEnded) return;
    for (const [name, fd] of descriptors) {
      if (this.#held.get(name) === fd.number) continue;
      this.#say({ kind: "put", name }, fd);
      this.#held.set(name, fd.number);
    }
    const text = new TextEncoder().encode(JSON.stringify(state));
    using memory = this.platform.descriptors.sealedMemfd("baton-state", text);
    this.#say({ kind: "save" }, memory);
    for (const name of this.#held.keys()) {
      if (descriptors.has(name)) continue;
      this.#say({ kind: "drop", name }, null);
      this.#held.delete(name);
    }
  }

  /** @throws {SystemCallError} when the holder has gone, or does not read */
  #say(order: HolderOrder, fd: Fd | null): void {
    const fds = fd === null ? [] : [fd];
    this.platform.descriptors.send(this.#holder.control, encodeMessage(order), fds);
  }

  /** The service has ended. */
  end(): void {
    this.#hasEnded = true;
    try {
      this.#say({ kind: "end" }, null);
    } catch {
      // It has gone already.
    }
    this.#forget();
  }
}
