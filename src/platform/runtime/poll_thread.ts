/**
 * The poll thread: a worker whose program is text, because a worker needs a file or a URL of its own and a
 * compiled binary has neither. It waits, posts what is ready, and never wakes without an event.
 *
 * It makes one decision itself, because a new connection of the server waits meanwhile: system calls that the main
 * thread has declared *passing*, for all notify descriptors or for one, continue at once. An event whose upper half of
 * `data` is not 0 is of the notify descriptor with that number: the thread receives the call and lets it pass or posts
 * it. It also posts a call that it failed to let pass: without an answer its thread hangs forever.
 */

import { ARCH } from "../libc/arch.ts";
import { C } from "../libc/constants.ts";
import { PASSING_COUNT_MASK, type PollOptions, type Runtime } from "./runtime.ts";

const LOAD_LIBC = `let library;
try { library = open("libc.so.6"); } catch { library = open("libc.so"); }
const { epoll_wait: epollWait, epoll_ctl: epollCtl, ioctl } = library.symbols;`;

/**
 * @param bind JavaScript that defines `open(name)`, which loads these three functions of a library
 * @param start makes a worker of the script at `url`
 */
export function runPollThread(
  { onEvents, ...orders }: PollOptions,
  bind: string,
  arch: Runtime["arch"],
  start: (url: string) => Worker,
): Promise<void> {
  const source = pollThreadSource(`${bind}\n${LOAD_LIBC}`, arch);
  const url = URL.createObjectURL(new Blob([source], { type: "application/javascript" }));
  const worker = start(url);
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  worker.onmessage = ({ data }) => {
    if (data === "ready") {
      URL.revokeObjectURL(url);
      worker.postMessage(orders);
    } else if (data === "stopped") {
      worker.terminate();
      resolve();
    } else onEvents(data);
  };
  return ended;
}

/**
 * @param bind JavaScript that defines `epollWait(fd, buffer, count, timeout)`, `epollCtl(...)` and `ioctl(...)` in
 *   the runtime at hand
 */
export function pollThreadSource(bind: string, arch: Runtime["arch"]): string {
  const { EPOLL_EVENT_SIZE: eventSize, EPOLL_DATA_OFFSET: tokenOffset } = ARCH[arch];
  return `${bind}
self.onmessage = ({ data: { epollFd, stopToken, passing } }) => {
  const capacity = 64;
  const bytes = new Uint8Array(${eventSize} * capacity);
  const view = new DataView(bytes.buffer);
  const passes = new Int32Array(passing);
  const call = new Uint8Array(80);
  const callView = new DataView(call.buffer);
  const answer = new Uint8Array(24);
  const answerView = new DataView(answer.buffer);
  const event = new Uint8Array(${eventSize});
  const eventView = new DataView(event.buffer);
  const mayPass = (number, fd) => {
    const head = Atomics.load(passes, 0);
    for (let i = 2 * (head & ${PASSING_COUNT_MASK}) - 1; i > 0; i -= 2) {
      if (Atomics.load(passes, i) !== number) continue;
      const of = Atomics.load(passes, i + 1);
      // A list that was replaced while it was read says nothing.
      if (of === 0 || of === fd) return Atomics.load(passes, 0) === head;
    }
    return false;
  };
  const arm = (fd, token) => {
    eventView.setUint32(0, ${C.EPOLLONESHOT | C.EPOLLIN}, true);
    eventView.setUint32(${tokenOffset}, token, true);
    eventView.setUint32(${tokenOffset} + 4, fd, true);
    epollCtl(epollFd, ${C.EPOLL_CTL_MOD}, fd, event);
  };
  const take = (fd, token) => {
    call.fill(0);
    if (ioctl(fd, ${C.SECCOMP_IOCTL_NOTIF_RECV}, call) !== 0) {
      // The caller has died meanwhile, or the main thread has closed the descriptor and its number may be another's.
      return self.postMessage({ token, fd, call: null });
    }
    if (mayPass(callView.getInt32(16, true), fd)) {
      answerView.setBigUint64(0, callView.getBigUint64(0, true), true);
      answerView.setUint32(20, ${C.SECCOMP_USER_NOTIF_FLAG_CONTINUE}, true);
      if (ioctl(fd, ${C.SECCOMP_IOCTL_NOTIF_SEND}, answer) === 0) return arm(fd, token);
      // The caller has died, or a signal came first and it still waits: the main thread can read errno.
    }
    self.postMessage({ token, fd, call: call.slice() });
  };
  for (;;) {
    const count = epollWait(epollFd, bytes, capacity, -1);
    const batch = [];
    let stop = false;
    for (let i = 0; i < count; i++) {
      const events = view.getUint32(i * ${eventSize}, true);
      const token = view.getUint32(i * ${eventSize} + ${tokenOffset}, true);
      const fd = view.getUint32(i * ${eventSize} + ${tokenOffset} + 4, true);
      if (token === stopToken) stop = true;
      if (fd !== 0 && (events & ${C.EPOLLIN}) !== 0) take(fd, token);
      else batch.push(events, token);
    }
    if (batch.length > 0) self.postMessage(batch);
    if (stop) return self.postMessage("stopped");
  }
};
self.postMessage("ready");
`;
}
