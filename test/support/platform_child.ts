/**
 * A process for tests of what a process does to itself: filters, signals, limits, death of a parent.
 *
 * Started by `startPlatformChild` (platform_parent.ts) on the runtime that runs the tests, with a socket
 * as descriptor 3: each message there is one request as JSON, answered by one message. A request that
 * fails is answered with its error, so that the parent can look at it; descriptors go along as they are.
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { encodeAddress } from "../../src/platform/network/address.ts";
import { SystemCallError } from "../../src/platform/error.ts";
import { Fd } from "../../src/platform/fd.ts";
import { C } from "../../src/platform/libc/constants.ts";
import { struct } from "../../src/platform/libc/libc.ts";
import { LIBC_NAMES } from "../../src/platform/libc/symbols.ts";
import { Platform } from "../../src/platform/platform.ts";
import type { ChildRequest } from "./platform_parent.ts";
import { testRuntime } from "./test_platform.ts";

const CONTROL = 3;
const MESSAGE_LIMIT = 4096;

interface Answer {
  readonly value: unknown;
  readonly fds?: readonly Fd[];
}

const platform = new Platform(await testRuntime());
const { descriptors, libc, processes, seccomp, sockets } = platform;
const control = new Fd(libc, CONTROL);
/** What only servers call. */
const serverCalls = platform.runtime.openLibrary(LIBC_NAMES, {
  // int select(int nfds, fd_set *readfds, fd_set *writefds, fd_set *exceptfds, struct timeval *t);
  select: { parameters: ["i32", "buffer", "buffer", "buffer", "buffer"], result: "i32" },
});

function perform(request: ChildRequest): Answer {
  switch (request.kind) {
    case "ping":
      return { value: processes.parentPid() };
    case "status":
      return { value: readFileSync("/proc/self/status", "utf8") };
    case "installFilter": {
      if (request.noNewPrivileges) processes.setNoNewPrivileges();
      return { value: null, fds: [seccomp.installFilter(request.calls)] };
    }
    case "bind": {
      // The descriptor stays open: what became of it is asked for later.
      const socket = sockets.stream("inet").release();
      const address = encodeAddress({ family: "inet", ...request.address, scope: 0 });
      const result = libc.c.bind(socket, address, address.length);
      return { value: { socket, result, errno: result < 0 ? libc.errno : 0 } };
    }
    case "listen": {
      const result = libc.c.listen(request.descriptor, request.backlog);
      return { value: { result, errno: result < 0 ? libc.errno : 0 } };
    }
    case "localPort": {
      const socket = new Fd(libc, request.descriptor);
      const port = sockets.localAddress(socket)?.port ?? null;
      socket.release();
      return { value: port };
    }
    case "waitForConnection":
      return { value: waitForConnection(request.descriptor, request.how) };
    case "receiveSlowly": {
      // With a time-out a stop and a continue interrupt the call: signal(7).
      sockets.setTimeouts(control, request.timeoutMs);
      const message = descriptors.receive(control, MESSAGE_LIMIT);
      sockets.setTimeouts(control, 0);
      return { value: message === null ? null : new TextDecoder().decode(message.data) };
    }
    case "resetSignals":
      processes.resetSignals();
      return { value: null };
    case "signalOnParentDeath":
      processes.signalOnParentDeath(request.signal);
      return { value: null };
    case "closeOnExecFrom":
      processes.closeOnExecFrom(request.first);
      return { value: null };
    case "setFileLimit":
      processes.setFileLimit(request.soft);
      return { value: processes.fileLimit() };
    case "changeDirectory":
      processes.changeDirectory(request.path);
      return { value: null };
    case "lock": {
      const file = descriptors.open(request.path, C.O_RDWR);
      const locked = processes.tryLock(file);
      if (locked) file.release();
      else file.close();
      return { value: locked };
    }
    case "exec":
      return processes.exec(request.path, request.argv, request.env);
  }
}

/** Waits in one system call, without a time-out, until `descriptor` has a connection. */
function waitForConnection(
  descriptor: number,
  how: (ChildRequest & { kind: "waitForConnection" })["how"],
): number {
  const { arch, c } = libc;
  const pollfd = struct(8);
  pollfd.view.setInt32(0, descriptor, true);
  pollfd.view.setInt16(4, C.POLLIN, true);
  const set = new Uint8Array(128);
  set[descriptor >> 3] = 1 << (descriptor & 7);
  const at = (bytes: Uint8Array) => libc.addressOf(bytes);
  const count = descriptor + 1;
  switch (how) {
    case "accept":
      return libc.retry(() => c.accept4(descriptor, null, null, C.SOCK_CLOEXEC));
    case "poll":
      return libc.retry(() => c.poll(pollfd.bytes, 1, -1));
    case "ppoll":
      return libc.retry(() => c.syscall(arch.SYS_ppoll, at(pollfd.bytes), 1, 0, 0, 0));
    case "select":
      return libc.retry(() => c.syscall(arch.SYS_select, count, at(set), 0, 0, 0));
    case "select(3)": // pselect6 in the C libraries of today
      return libc.retry(() => serverCalls.select(count, set, null, null, null));
    case "epoll": {
      const epoll = new Fd(libc, c.epoll_create1(C.EPOLL_CLOEXEC));
      const { EPOLL_EVENT_SIZE } = libc.arch;
      const event = struct(EPOLL_EVENT_SIZE);
      event.view.setUint32(0, C.EPOLLIN, true);
      libc.check(
        c.epoll_ctl(epoll.number, C.EPOLL_CTL_ADD, descriptor, event.bytes),
        "epoll_ctl",
        "a listener",
      );
      // The epoll descriptor is readable when one of its set is.
      pollfd.view.setInt32(0, epoll.number, true);
      const ready = libc.retry(() => c.poll(pollfd.bytes, 1, -1));
      epoll.close();
      return ready;
    }
  }
}

function answerTo(text: string): { message: string; fds: readonly Fd[] } {
  try {
    const { value, fds = [] } = perform(JSON.parse(text));
    return { message: JSON.stringify({ value }), fds };
  } catch (error) {
    const failed = error instanceof SystemCallError
      ? { call: error.call, code: error.code, subject: error.subject }
      : { call: "none", code: "none", subject: String(error) };
    return { message: JSON.stringify({ failed }), fds: [] };
  }
}

for (;;) {
  const request = descriptors.receive(control, MESSAGE_LIMIT);
  if (request === null) continue;
  if (request.data.length === 0) break; // The test has ended.
  const { message, fds } = answerTo(new TextDecoder().decode(request.data));
  descriptors.send(control, new TextEncoder().encode(message), fds);
  for (const fd of fds) fd.close();
}
process.exit(0);
