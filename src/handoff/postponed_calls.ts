/** Trapped calls that wait until it is known which baton steers their group. */
import type { Fd } from "../platform/fd.ts";
import type { TrappedCall } from "../platform/process/seccomp.ts";
import type { ListenerOwner } from "./listener_owner.ts";

interface PostponedCall {
  readonly notify: Fd;
  readonly notification: TrappedCall;
  readonly tenant: ListenerOwner;
}

export class PostponedCalls {
  #waiting: PostponedCall[] = [];

  add(call: PostponedCall): void {
    this.#waiting.push(call);
  }

  /** Hands each of them to `handle`, which may postpone it again; not those whose caller is gone. */
  release(handle: (call: PostponedCall) => void): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const call of waiting) if (call.notify.isOpen) handle(call);
  }
}
