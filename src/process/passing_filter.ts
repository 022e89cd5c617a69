/**
 * A process may outlive its generation, and baton. Its filter stays, and the kernel answers ENOSYS to a call that a
 * filter reports to a descriptor which is closed: the process could remove no file any more. So a process of baton's
 * keeps that descriptor, lets every call continue, and ends with the last process under the filter.
 */
import { Fd } from "../platform/fd.ts";
import { C } from "../platform/libc/constants.ts";
import type { Platform } from "../platform/platform.ts";
import { HELPER_MESSAGE_LIMIT, HelperProcess } from "../platform/process/helper_process.ts";

/** Hidden verb; argument: number of its socket. */
export const PASS_VERB = "__pass";

/** @returns the pid of the process that keeps a duplicate of `notify` @throws {SystemCallError} */
export function startPassing(platform: Platform, notify: Fd): number {
  using nothing = platform.descriptors.open("/dev/null", C.O_RDWR);
  const descriptors = [nothing, nothing, nothing];
  const helper = new HelperProcess(platform, { verb: PASS_VERB, descriptors });
  // In its socket from now on: calls wait until it runs.
  helper.send(new Uint8Array([1]), [notify]);
  helper.disconnect();
  return helper.pid;
}

/** Blocks. @param control number of the socket to the baton that has started this */
export function passCalls({ libc, descriptors, seccomp }: Platform, control: number): void {
  using socket = new Fd(libc, control);
  const [notify] = descriptors.receive(socket, HELPER_MESSAGE_LIMIT)?.fds ?? [];
  while (notify !== undefined && descriptors.hasInput(notify, -1)) {
    const call = seccomp.receive(notify);
    if (call !== null) seccomp.continue(notify, call.id);
  }
}
