/**
 * System calls that the poll thread takes: those that pass go on without anybody else, the others come to the main
 * thread; and a descriptor as the result of a call. seccomp_unotify(2)
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { C } from "../../src/platform/libc/constants.ts";
import * as proc from "../../src/platform/process/proc.ts";
import { decodeNotification, type TrappedCall } from "../../src/platform/process/seccomp.ts";
import { Libc } from "../../src/platform/libc/libc.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { TrappedCalls } from "../../src/process/trapped_calls.ts";
import { Reactor } from "../../src/platform/reactor.ts";
import type { PollMessage, PollOptions } from "../../src/platform/runtime/runtime.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { systemCallError } from "../support/system_call_error.ts";
import { testPlatform } from "../support/test_platform.ts";
import { startTrappedChild, type TrappedChild } from "../support/trapped_child.ts";
import { waitUntil } from "../support/wait_until.ts";

const ANY_PORT = { kind: "bind", address: { host: "127.0.0.1", port: 0 } } as const;
const { seccomp, libc: { arch } } = await testPlatform();
const skip = seccomp.hasUserNotification()
  ? false
  : "this kernel or container has no seccomp user notification";
/** TCP_CLOSE, <netinet/tcp.h> */
const CLOSED = 7;
const TEST = { skip, timeout: TEST_TIMEOUT_MS };
const CALLS = [arch.SYS_bind, arch.SYS_listen];

interface BindResult {
  readonly result: number;
  readonly socket: number;
}

/** The poll thread has its orders: from now on it works while this thread waits. */
async function started({ descriptors, reactor }: Platform): Promise<void> {
  const { read, write } = descriptors.pipe();
  const { promise, resolve } = Promise.withResolvers<void>();
  const watch = reactor.watch(read, () => resolve());
  descriptors.writeAll(write, Uint8Array.of(1));
  await promise;
  watch.cancel();
  read.close();
  write.close();
}

/** Resolves with the next call that comes to the main thread. */
function nextCall({ platform, notify }: TrappedChild): Promise<TrappedCall> {
  const { promise, resolve, reject } = Promise.withResolvers<TrappedCall>();
  const watch = platform.reactor.watchCalls(notify, {
    onCall: (call) => {
      watch.cancel();
      resolve(decodeNotification(call));
    },
    onHangup: () => reject(new Error("The child has ended")),
  });
  return promise;
}

describe("Reactor.watchCalls()", () => {
  test("brings a call that does not pass, whole", TEST, async () => {
    await using platform = await testPlatform();
    await using trapped = await startTrappedChild(platform, CALLS);
    await started(platform);
    const came = nextCall(trapped);
    trapped.child.send(ANY_PORT);
    const { id, tid, call, args } = await came;
    assert.equal(call, arch.SYS_bind);
    assert.equal(proc.processOfThread(tid), trapped.child.pid);
    assert.match(proc.descriptorTarget(tid, Number(args[0])) ?? "", /^socket:/);
    platform.seccomp.refuse(trapped.notify, id, C.EACCES);
    assert.equal(trapped.child.answer<BindResult>().value.result, -1);
  });

  test("lets passing calls go on at once, and only these", TEST, async () => {
    await using platform = await testPlatform();
    await using trapped = await startTrappedChild(platform, CALLS);
    platform.reactor.letPass([arch.SYS_bind]);
    await started(platform);
    const came = nextCall(trapped);
    // Nobody here answers these: the child would wait for ever.
    for (let i = 0; i < 3; i++) {
      assert.equal(trapped.child.ask<BindResult>(ANY_PORT).value.result, 0);
    }
    const { socket } = trapped.child.ask<BindResult>(ANY_PORT).value;
    trapped.child.send({ kind: "listen", descriptor: socket, backlog: 7 });
    const { id, call } = await came;
    assert.equal(call, arch.SYS_listen);
    platform.seccomp.continue(trapped.notify, id);
    assert.equal(trapped.child.answer<BindResult>().value.result, 0);
  });

  for (const [how, passing] of [["brings", []], ["lets pass", CALLS]] as const) {
    test(`takes none while paused, and ${how} what has waited`, TEST, async () => {
      await using platform = await testPlatform();
      await using trapped = await startTrappedChild(platform, CALLS);
      const { reactor, descriptors } = platform;
      await started(platform);
      let brought = 0;
      const watch = reactor.watchCalls(trapped.notify, {
        onCall: (call) => {
          brought++;
          seccomp.continue(trapped.notify, decodeNotification(call).id);
        },
        onHangup: () => {},
      });
      watch.letPass(passing);
      const isPassing = passing.length > 0;
      if (isPassing) assert.equal(trapped.child.ask<BindResult>(ANY_PORT).value.result, 0);
      await reactor.pauseCalls();
      // As after the answer to a call that was on its way.
      watch.arm();
      trapped.child.send(ANY_PORT);
      await waitUntil(() => descriptors.hasInput(trapped.notify, 0), { what: "the call waits" });
      // What the thread had taken would be here now.
      await reactor.pauseCalls();
      assert.deepEqual([brought, descriptors.hasInput(trapped.notify, 0)], [0, true]);
      reactor.resumeCalls();
      if (!isPassing) await waitUntil(() => brought > 0, { what: "it is brought" });
      assert.equal(trapped.child.answer<BindResult>().value.result, 0);
      assert.equal(brought, isPassing ? 0 : 1);
      watch.cancel();
    });
  }

  test("brings what the thread has taken before the descriptor is another's", TEST, async () => {
    await using platform = await testPlatform();
    await using trapped = await startTrappedChild(platform, CALLS);
    await using other = await startTrappedChild(platform, CALLS);
    const { reactor, descriptors } = platform;
    await started(platform);
    const heard: string[] = [];
    const [first, second] = [trapped, other].map(({ notify }) =>
      reactor.watchCalls(notify, {
        onCall: (call) => {
          heard.push("call");
          seccomp.continue(notify, decodeNotification(call).id);
        },
        onHangup: () => assert.fail("the child lives"),
      })
    );
    await reactor.pauseCalls();
    trapped.child.send(ANY_PORT);
    await waitUntil(() => descriptors.hasInput(trapped.notify, 0), { what: "the call waits" });
    reactor.resumeCalls();
    // Nothing is delivered while this thread does not return to its event loop.
    for (const endMs = performance.now() + TEST_TIMEOUT_MS; performance.now() < endMs;) {
      if (!descriptors.hasInput(trapped.notify, 0)) break;
    }
    first!.release(() => heard.push("quiet"));
    second!.release(() => heard.push("the other, too"));
    first!.arm();
    await platform.close();
    assert.deepEqual(heard, ["call", "quiet", "the other, too"]);
    assert.equal(trapped.child.answer<BindResult>().value.result, 0);
    // From here on it is another process that takes them.
    other.child.send(ANY_PORT);
    seccomp.continue(other.notify, other.next().id);
    assert.equal(other.child.answer<BindResult>().value.result, 0);
  });

  test("stops letting calls pass when it is told so", TEST, async () => {
    await using platform = await testPlatform();
    await using trapped = await startTrappedChild(platform, CALLS);
    platform.reactor.letPass(CALLS);
    await started(platform);
    const came = nextCall(trapped);
    assert.equal(trapped.child.ask<BindResult>(ANY_PORT).value.result, 0);
    platform.reactor.letPass([]);
    trapped.child.send(ANY_PORT);
    const { id } = await came;
    platform.seccomp.continue(trapped.notify, id);
    assert.equal(trapped.child.answer<BindResult>().value.result, 0);
  });

  test("says when all processes under the filter are gone", TEST, async () => {
    await using platform = await testPlatform();
    const { promise, resolve } = Promise.withResolvers<void>();
    await using trapped = await startTrappedChild(platform, CALLS);
    const watch = platform.reactor.watchCalls(trapped.notify, {
      onCall: () => assert.fail("nobody calls"),
      onHangup: resolve,
    });
    trapped.child.kill(9);
    await trapped.child.ended();
    await promise;
    watch.cancel();
  });

  test("lets calls of one filter pass, and not those of another", TEST, async () => {
    await using platform = await testPlatform();
    await using passing = await startTrappedChild(platform, CALLS);
    await using asking = await startTrappedChild(platform, CALLS);
    const { promise, resolve } = Promise.withResolvers<TrappedCall>();
    const handlers = { onHangup: () => {} };
    const first = platform.reactor.watchCalls(passing.notify, {
      ...handlers,
      onCall: () => assert.fail("it passes"),
    });
    const second = platform.reactor.watchCalls(asking.notify, {
      ...handlers,
      onCall: (call) => resolve(decodeNotification(call)),
    });
    first.letPass([arch.SYS_bind]);
    await started(platform);
    assert.equal(passing.child.ask<BindResult>(ANY_PORT).value.result, 0);
    asking.child.send(ANY_PORT);
    const { id } = await promise;
    platform.seccomp.continue(asking.notify, id);
    assert.equal(asking.child.answer<BindResult>().value.result, 0);
    for (const watch of [first, second]) watch.cancel();
  });
});

test("a call that came with the event of a closed descriptor is of the next one with its number", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  await using platform = await testPlatform();
  const started = Promise.withResolvers<(message: PollMessage) => void>();
  const startPollThread = ({ onEvents }: PollOptions) => {
    started.resolve(onEvents);
    return Promise.resolve();
  };
  const reactor = new Reactor(new Libc({ ...platform.runtime, startPollThread }));
  const deliver = await started.promise;
  const { read: notify, write } = platform.descriptors.pipe();
  const calls: string[] = [];
  const watch = (name: string) =>
    reactor.watchCalls(notify, { onCall: () => calls.push(name), onHangup: () => {} });
  watch("closed").cancel();
  const next = watch("next");
  const [closedToken, nextToken] = [1, 2];
  const call = new Uint8Array(80);
  deliver({ token: closedToken, fd: notify.number, call });
  deliver({ token: closedToken, fd: notify.number, call: null });
  deliver({ token: nextToken, fd: notify.number, call });
  next.cancel();
  deliver({ token: nextToken, fd: notify.number, call });
  assert.deepEqual(calls, ["next", "next"]);
  await reactor.close();
  for (const fd of [notify, write]) fd.close();
});

describe("TrappedCalls", () => {
  for (const [how, isAnswered] of [["before", false], ["after", true]] as const) {
    test(`a decision that fails ${how} its answer leaves no thread waiting`, TEST, async () => {
      await using platform = await testPlatform();
      await using trapped = await startTrappedChild(platform, CALLS);
      const { notify, child } = trapped;
      const { promise, resolve } = Promise.withResolvers<unknown>();
      platform.reactor.onError = resolve;
      const calls = new TrappedCalls(platform, notify, {
        lettingPass: true,
        isAwaited: () => false,
        onHangup: () => {},
        onCall: ({ id }) => {
          if (isAnswered) seccomp.refuse(notify, id, C.EACCES);
          throw new Error("no decision");
        },
      });
      child.send(ANY_PORT);
      assert.equal(String(await promise), "Error: no decision");
      assert.equal(child.answer<BindResult>().value.result, isAnswered ? -1 : 0);
      calls.leave(() => {});
    });
  }
});

describe("Seccomp.answerWithDescriptor()", () => {
  test("makes the call return a descriptor of the caller's own", TEST, async () => {
    await using platform = await testPlatform();
    await using trapped = await startTrappedChild(platform, CALLS);
    assert.ok(platform.seccomp.canAnswerWithDescriptor(trapped.notify));
    const { id } = trapped.provoke(ANY_PORT);
    using source = platform.sockets.stream("inet");
    const inode = proc.ownSocketInode(source.number);
    const answer = { source, closeOnExec: true };
    assert.ok(platform.seccomp.answerWithDescriptor(trapped.notify, id, answer) >= 0);
    const { result } = trapped.child.answer<BindResult>().value;
    assert.ok(result > 2, `${result} is a number of its own`);
    assert.equal(proc.descriptorTarget(trapped.child.pid, result), `socket:[${inode}]`);
    const flags = proc.descriptorFlags(trapped.child.pid, result) ?? 0;
    assert.notEqual(flags & C.O_CLOEXEC, 0);
  });

  test("says when the caller has died", TEST, async () => {
    await using platform = await testPlatform();
    await using trapped = await startTrappedChild(platform, CALLS);
    const { id } = trapped.provoke(ANY_PORT);
    trapped.child.kill(9);
    await trapped.child.ended();
    const answer = { source: trapped.notify, closeOnExec: true };
    assert.equal(platform.seccomp.answerWithDescriptor(trapped.notify, id, answer), -C.ENOENT);
  });
});

describe("a connection of another process", () => {
  test("has a cookie, a peer and a state", TEST, async () => {
    await using platform = await testPlatform();
    const { sockets, descriptors } = platform;
    using first = sockets.stream("inet");
    using second = sockets.stream("inet");
    using again = descriptors.duplicate(first);
    assert.equal(sockets.cookie(first), sockets.cookie(again));
    assert.notEqual(sockets.cookie(first), sockets.cookie(second));
    assert.equal(sockets.tcpState(first), CLOSED);
    const failure = { call: "getpeername", code: "ENOTCONN", subject: /descriptor/ };
    assert.throws(() => sockets.peerName(first), systemCallError(failure));
  });
});
