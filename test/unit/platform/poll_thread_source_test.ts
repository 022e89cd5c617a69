/** The program of the poll thread, run here with a pretended epoll_wait, for both architectures. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ARCH } from "../../../src/platform/libc/constants.ts";
import { hasToken } from "../../../src/platform/poll_messages.ts";
import { pollThreadSource } from "../../../src/platform/runtime/poll_thread_source.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";

type Event = readonly [events: number, token: number];

/** What the thread posts when epoll_wait gives it `rounds`, one after the other. */
function posted(arch: "x64" | "arm64", rounds: readonly (readonly Event[])[]): unknown[] {
  const { EPOLL_EVENT_SIZE, EPOLL_DATA_OFFSET } = ARCH[arch];
  const messages: unknown[] = [];
  const left = [...rounds];
  const epollWait = (fd: number, bytes: Uint8Array, capacity: number, timeoutMs: number) => {
    assert.deepEqual([fd, timeoutMs], [7, -1]);
    assert.equal(bytes.length, capacity * EPOLL_EVENT_SIZE);
    const round = left.shift() ?? assert.fail("it goes on after its stop token");
    const view = new DataView(bytes.buffer);
    round.forEach(([events, token], i) => {
      view.setUint32(i * EPOLL_EVENT_SIZE, events, true);
      view.setUint32(i * EPOLL_EVENT_SIZE + EPOLL_DATA_OFFSET, token, true);
    });
    return round.length;
  };
  const self: { onmessage?: (event: { data: unknown }) => void; postMessage: unknown } = {
    postMessage: (message: unknown) => messages.push(message),
  };
  new Function("self", "epollWait", pollThreadSource("", arch))(self, epollWait);
  assert.deepEqual(messages.splice(0), ["ready"]);
  self.onmessage!({ data: { epollFd: 7, stopToken: 0, passing: new SharedArrayBuffer(36) } });
  assert.equal(left.length, 0, "it has ended with its stop token");
  return messages;
}

describe("pollThreadSource()", () => {
  for (const arch of ["x64", "arm64"] as const) {
    test(`posts each batch of ${arch}, and ends after the stop token`, {
      timeout: TEST_TIMEOUT_MS,
    }, () => {
      const rounds: Event[][] = [
        [[1, 5]],
        [], // interrupted by a signal: epoll_wait says -1, and nothing is posted
        [[4, 6], [0x11, 0xfffffffe], [1, 9]],
        [[1, 10], [1, 0], [1, 11]],
      ];
      assert.deepEqual(posted(arch, rounds), [
        [1, 5],
        [4, 6, 0x11, 0xfffffffe, 1, 9],
        [1, 10, 1, 0, 1, 11],
      ]);
    });
  }
});

describe("hasToken()", () => {
  for (
    const [batch, token, expected] of [
      [[], 0, false],
      [[1, 0], 0, true],
      [[0, 5], 0, false],
      [[0, 5, 4, 0], 0, true],
      [[5, 1, 5, 2], 5, false],
    ] as const
  ) {
    test(`of [${batch}] and ${token} is ${expected}`, { timeout: TEST_TIMEOUT_MS }, () => {
      assert.equal(hasToken(batch, token), expected);
    });
  }
});
