/**
 * The program of the poll thread, as text, because a worker needs a file or a URL of its own and a
 * compiled binary has neither. It makes one system call and posts its result: no decision is
 * taken in the thread, and it never wakes without an event.
 *
 * @param bind JavaScript that defines `epollWait(fd, buffer, count, timeout)` in the runtime at hand
 * @param arch `struct epoll_event` is packed (12 bytes, data at 4) on x64 and not (16, 8) on arm64
 */
export function pollThreadSource(bind: string, arch: "x64" | "arm64"): string {
  const [eventSize, tokenOffset] = arch === "x64" ? [12, 4] : [16, 8];
  return `${bind}
self.onmessage = ({ data: { epollFd, stopToken } }) => {
  const capacity = 64;
  const bytes = new Uint8Array(${eventSize} * capacity);
  const view = new DataView(bytes.buffer);
  for (;;) {
    const count = epollWait(epollFd, bytes, capacity, -1);
    const batch = [];
    let stop = false;
    for (let i = 0; i < count; i++) {
      const token = view.getUint32(i * ${eventSize} + ${tokenOffset}, true);
      if (token === stopToken) stop = true;
      batch.push(view.getUint32(i * ${eventSize}, true), token);
    }
    if (batch.length > 0) self.postMessage(batch);
    if (stop) return;
  }
};
self.postMessage("ready");
`;
}

/** True when `token` is among the tokens of a batch `[events, token, events, token, ...]`. */
export function hasToken(batch: readonly number[], token: number): boolean {
  return batch.some((value, i) => i % 2 === 1 && value === token);
}
