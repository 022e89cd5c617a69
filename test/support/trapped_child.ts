/**
 * A child under a seccomp filter whose calls are answered by the test: the server's side is
 * `platform_child.ts`, the supervisor's side is the test itself.
 */
import type { Fd } from "../../src/platform/fd.ts";
import { CAPABILITY } from "../../src/platform/libc/capability_bits.ts";
import { C } from "../../src/platform/libc/constants.ts";
import { struct } from "../../src/platform/libc/libc.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { hasCapability } from "../../src/platform/process/proc.ts";
import type { TrappedCall } from "../../src/platform/process/seccomp.ts";
import { type ChildRequest, type PlatformChild, startPlatformChild } from "./platform_parent.ts";

const NOTIFICATION_TIMEOUT_MS = 20_000;

/** poll(2) on one descriptor. @returns the events that came, 0 after `timeoutMs` */
export function pollOnce(platform: Platform, fd: Fd, events: number, timeoutMs: number): number {
  const { bytes, view } = struct(8);
  view.setInt32(0, fd.number, true);
  view.setInt16(4, events, true);
  const { libc } = platform;
  libc.check(libc.retry(() => libc.c.poll(bytes, 1, timeoutMs)), "poll", "one descriptor");
  return view.getInt16(6, true);
}

export class TrappedChild implements AsyncDisposable {
  constructor(readonly platform: Platform, readonly child: PlatformChild, readonly notify: Fd) {}

  /** Lets the child make a call, and waits until the kernel asks about it. */
  provoke(request: ChildRequest): TrappedCall {
    this.child.send(request);
    return this.next();
  }

  /** @throws {Error} when the kernel has not asked in time */
  next(): TrappedCall {
    if (pollOnce(this.platform, this.notify, C.POLLIN, NOTIFICATION_TIMEOUT_MS) === 0) {
      throw new Error("The kernel has not asked about a call in time");
    }
    const notification = this.platform.seccomp.receive(this.notify);
    if (notification === null) throw new Error("The caller has died");
    return notification;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child[Symbol.asyncDispose]();
    this.notify.close();
  }
}

/** Starts a child that asks about `calls` from now on. */
export async function startTrappedChild(
  platform: Platform,
  calls: readonly number[],
): Promise<TrappedChild> {
  const child = startPlatformChild(platform);
  try {
    const noNewPrivileges = !hasCapability(CAPABILITY.CAP_SYS_ADMIN);
    const { fds } = child.ask({ kind: "installFilter", calls, noNewPrivileges });
    if (fds[0] === undefined) throw new Error("The child has sent no notify descriptor");
    return new TrappedChild(platform, child, fds[0]);
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
}
