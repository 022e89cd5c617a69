/** The program of the poll thread, run here with a pretended epoll_wait, for both architectures. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ARCH } from "../../../src/platform/libc/arch.ts";
import { C } from "../../../src/platform/libc/constants.ts";
import { pollThreadSource } from "../../../src/platform/runtime/poll_thread.ts";
import { PASSING_COUNT_MASK } from "../../../src/platform/runtime/runtime.ts";
import { decodeNotification } from "../../../src/platform/process/seccomp.ts";
import { TEST_TIMEOUT_MS } from "../../support/limits.ts";

type Event = readonly [events: number, token: number, notify?: number];

/** A system call that a notify descriptor tells of. */
interface Call {
  readonly number: number;
  /** What NOTIF_SEND returns when the thread lets it pass. */
  readonly sent: number;
  /** The caller has died, and nothing can be received. */
  readonly isGone?: boolean;
  /** The main thread replaces the list of what passes while it is read. */
  readonly isReplaced?: boolean;
}

const [NOTIFY, ACCEPT, BIND, SOCKET, LISTEN] = [12, 288, 49, 41, 50];
const CONTINUE = 1;

/**
 * What the thread posts when epoll_wait gives it `rounds`, one after the other.
 * @param calls what comes out of NOTIFY, where accept(2) and socket(2) pass; its events have that number
 */
function posted(
  arch: "x64" | "arm64",
  rounds: readonly (readonly Event[])[],
  calls: readonly Call[] = [],
): { messages: unknown[]; armed: number[]; letPass: number } {
  const { EPOLL_EVENT_SIZE, EPOLL_DATA_OFFSET } = ARCH[arch];
  const messages: unknown[] = [];
  const left = [...rounds];
  const armed: number[] = [];
  let [taken, letPass] = [0, 0];
  const epollCtl = (_: number, operation: number, fd: number) => {
    assert.equal(operation, C.EPOLL_CTL_MOD);
    armed.push(fd);
  };
  const ioctl = (fd: number, request: number, bytes: Uint8Array) => {
    assert.equal(fd, NOTIFY);
    const view = new DataView(bytes.buffer);
    if (request === C.SECCOMP_IOCTL_NOTIF_RECV) {
      view.setBigUint64(0, BigInt(++taken), true);
      view.setInt32(16, calls[taken - 1]!.number, true);
      return calls[taken - 1]!.isGone ? -1 : 0;
    }
    assert.equal(request, C.SECCOMP_IOCTL_NOTIF_SEND);
    assert.deepEqual([view.getBigUint64(0, true), view.getUint32(20, true)], [
      BigInt(taken),
      CONTINUE,
    ]);
    letPass++;
    return calls[taken - 1]!.sent;
  };
  const epollWait = (fd: number, bytes: Uint8Array, capacity: number, timeoutMs: number) => {
    assert.deepEqual([fd, timeoutMs], [7, -1]);
    assert.equal(bytes.length, capacity * EPOLL_EVENT_SIZE);
    const round = left.shift() ?? assert.fail("it goes on after its stop token");
    const view = new DataView(bytes.buffer);
    round.forEach(([events, token, notify = 0], i) => {
      view.setUint32(i * EPOLL_EVENT_SIZE, events, true);
      view.setUint32(i * EPOLL_EVENT_SIZE + EPOLL_DATA_OFFSET, token, true);
      view.setUint32(i * EPOLL_EVENT_SIZE + EPOLL_DATA_OFFSET + 4, notify, true);
    });
    return round.length;
  };
  const self: { onmessage?: (event: { data: unknown }) => void; postMessage: unknown } = {
    postMessage: (message: unknown) => messages.push(message),
  };
  const load = (words: Int32Array, at: number) => {
    if (at > 0 && calls[taken - 1]!.isReplaced) words[0]! += PASSING_COUNT_MASK + 1;
    return words[at];
  };
  const names = ["self", "epollWait", "epollCtl", "ioctl", "Atomics"];
  const program = new Function(...names, pollThreadSource("", arch));
  program(self, epollWait, epollCtl, ioctl, { load });
  assert.deepEqual(messages.splice(0), ["ready"]);
  const passing = new SharedArrayBuffer(36);
  new Int32Array(passing).set([3, ACCEPT, 0, SOCKET, NOTIFY, LISTEN, NOTIFY + 1]);
  self.onmessage!({ data: { epollFd: 7, stopToken: 0, passing } });
  assert.equal(left.length, 0, "it has ended with its stop token");
  return { messages, armed, letPass };
}

describe("pollThreadSource()", () => {
  for (const arch of ["x64", "arm64"] as const) {
    test(`leaves it to the main thread of ${arch} to look again for a call that was withdrawn`, {
      timeout: TEST_TIMEOUT_MS,
    }, () => {
      const call = { number: ACCEPT, sent: 0, isGone: true };
      const { messages, armed, letPass } = posted(arch, [[[1, 5, NOTIFY]], [[1, 0]]], [call]);
      assert.deepEqual(messages[0], { token: 5, fd: NOTIFY, call: null });
      assert.deepEqual([armed, letPass], [[], 0]);
    });

    test(`posts each batch of ${arch}, and ends after the stop token`, {
      timeout: TEST_TIMEOUT_MS,
    }, () => {
      const rounds: Event[][] = [
        [[1, 5]],
        [], // interrupted by a signal: epoll_wait says -1, and nothing is posted
        [[4, 6], [0x11, 0xfffffffe], [1, 9]],
        [[1, 10], [1, 0], [1, 11]],
      ];
      assert.deepEqual(posted(arch, rounds).messages, [
        [1, 5],
        [4, 6, 0x11, 0xfffffffe, 1, 9],
        [1, 10, 1, 0, 1, 11],
        "stopped",
      ]);
    });

    const calls: readonly [string, Call, { letPass: number; isPosted: boolean }][] = [
      ["lets pass what passes", { number: ACCEPT, sent: 0 }, { letPass: 1, isPosted: false }],
      ["lets pass what passes here", { number: SOCKET, sent: 0 }, { letPass: 1, isPosted: false }],
      ["posts what passes elsewhere", { number: LISTEN, sent: 0 }, { letPass: 0, isPosted: true }],
      ["posts what does not", { number: BIND, sent: 0 }, { letPass: 0, isPosted: true }],
      ["posts what a list that is being replaced let pass", {
        number: SOCKET,
        sent: 0,
        isReplaced: true,
      }, { letPass: 0, isPosted: true }],
      ["posts what it could not let pass", { number: ACCEPT, sent: -1 }, {
        ...{ letPass: 1, isPosted: true },
      }],
    ];
    for (const [name, call, expected] of calls) {
      test(`of calls on ${arch}: ${name}`, { timeout: TEST_TIMEOUT_MS }, () => {
        const { messages, armed, letPass } = posted(arch, [[[1, 5, NOTIFY]], [[1, 0]]], [call]);
        const [first] = messages as { token?: number; call?: Uint8Array }[];
        const number = first?.call && decodeNotification(first.call).call;
        assert.equal(letPass, expected.letPass);
        assert.deepEqual(
          [first?.token, number],
          expected.isPosted ? [5, call.number] : [
            undefined,
            undefined,
          ],
        );
        // Who is told of a call looks for the next one afterwards.
        assert.deepEqual(armed, expected.isPosted ? [] : [NOTIFY]);
      });
    }
  }
});
