/**
 * seccomp user notification, with a real process that waits in bind(2) or listen(2) for the answer:
 * seccomp(2), seccomp_unotify(2). The process is test/support/platform_child.ts.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decodeAddress } from "../../src/platform/network/address.ts";
import { CAPABILITY } from "../../src/platform/libc/capability_bits.ts";
import { C } from "../../src/platform/libc/constants.ts";
import * as proc from "../../src/platform/process/proc.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { leakedSince, openDescriptors } from "../support/open_descriptors.ts";
import { startPlatformChild } from "../support/platform_parent.ts";
import { listenAt } from "../support/raw_client.ts";
import { systemCallError } from "../support/system_call_error.ts";
import { testPlatform } from "../support/test_platform.ts";
import { pollOnce, startTrappedChild } from "../support/trapped_child.ts";

const POLLHUP = 0x10;
const SIGKILL = 9;
const ANY_PORT = { kind: "bind", address: { host: "127.0.0.1", port: 0 } } as const;
const { seccomp, libc: { arch } } = await testPlatform();
const BIND_AND_LISTEN = [arch.SYS_bind, arch.SYS_listen];
const skip = seccomp.hasUserNotification()
  ? false
  : "this kernel or container has no seccomp user notification";

interface CallResult {
  readonly result: number;
  readonly errno: number;
}

/** What the child says of its own bind: the socket stays open at this number. */
interface BindResult extends CallResult {
  readonly socket: number;
}

describe("Seccomp: a notification", () => {
  test("says who calls what, with all arguments", { skip, timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    await using trapped = await startTrappedChild(platform, BIND_AND_LISTEN);
    const notification = trapped.provoke(ANY_PORT);
    assert.equal(notification.call, arch.SYS_bind);
    assert.equal(proc.processOfThread(notification.tid), trapped.child.pid);
    assert.equal(notification.args.length, 6);
    const [descriptor, address, length] = notification.args.map(Number);
    assert.match(proc.descriptorTarget(trapped.child.pid, descriptor!) ?? "", /^socket:/);
    const memory = proc.readMemory(notification.tid, address!, length!)!;
    const expected = { family: "inet", ...ANY_PORT.address, scope: 0 };
    assert.deepEqual(decodeAddress(memory), expected);
    assert.ok(platform.seccomp.isValid(trapped.notify, notification.id));
    assert.ok(platform.seccomp.continue(trapped.notify, notification.id));
    assert.equal(platform.seccomp.isValid(trapped.notify, notification.id), false, "answered");
    assert.equal(trapped.child.answer<BindResult>().value.result, 0);
  });

  test("comes for the listed calls only", { skip, timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    await using trapped = await startTrappedChild(platform, [arch.SYS_listen]);
    const { socket, result } = trapped.child.ask<BindResult>(ANY_PORT).value;
    assert.equal(result, 0, "bind was not asked about");
    const listen = { kind: "listen", descriptor: socket, backlog: 7 } as const;
    const notification = trapped.provoke(listen);
    assert.equal(notification.call, arch.SYS_listen);
    assert.deepEqual(notification.args.slice(0, 2), [BigInt(socket), 7n]);
    platform.seccomp.continue(trapped.notify, notification.id);
    assert.equal(trapped.child.answer<CallResult>().value.result, 0);
  });

  test("is gone when its caller dies, whatever is tried with it", {
    skip,
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const { seccomp } = platform;
    await using trapped = await startTrappedChild(platform, BIND_AND_LISTEN);
    const { notify, child } = trapped;
    const { id } = trapped.provoke(ANY_PORT);
    child.kill(SIGKILL);
    await child.ended();
    assert.equal(seccomp.isValid(notify, id), false);
    assert.equal(seccomp.continue(notify, id), false);
    assert.equal(seccomp.answer(notify, id, 0), false);
    assert.equal(seccomp.refuse(notify, id, C.EACCES), false);
    assert.throws(
      () => seccomp.replaceDescriptor(notify, id, { source: notify, target: 5, closeOnExec: true }),
      systemCallError({
        call: "ioctl(SECCOMP_IOCTL_NOTIF_ADDFD)",
        code: "ENOENT",
        subject: "descriptor 5",
      }),
    );
    assert.equal(pollOnce(platform, notify, C.POLLIN, 10_000), POLLHUP, "nobody is left");
  });

  test("that was not received yet is null when its caller dies", {
    skip,
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    await using trapped = await startTrappedChild(platform, BIND_AND_LISTEN);
    trapped.child.send(ANY_PORT);
    assert.equal(pollOnce(platform, trapped.notify, C.POLLIN, 10_000), C.POLLIN);
    trapped.child.kill(SIGKILL);
    await trapped.child.ended();
    assert.equal(platform.seccomp.receive(trapped.notify), null);
  });
});

describe("Seccomp: an answer", () => {
  test(
    "continue() lets the kernel carry the call out",
    { skip, timeout: TEST_TIMEOUT_MS },
    async () => {
      await using platform = await testPlatform();
      await using trapped = await startTrappedChild(platform, BIND_AND_LISTEN);
      const { id } = trapped.provoke(ANY_PORT);
      assert.ok(platform.seccomp.continue(trapped.notify, id));
      const bound = trapped.child.answer<BindResult>().value;
      assert.equal(bound.result, 0);
      const port = trapped.child.ask<number>({ kind: "localPort", descriptor: bound.socket }).value;
      assert.ok(port > 0, "it was really bound");
    },
  );

  for (const value of [0, 7, 0x7fffffff]) {
    test(`answer(${value}) is what the call returns, and nothing is carried out`, {
      skip,
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await using platform = await testPlatform();
      await using trapped = await startTrappedChild(platform, BIND_AND_LISTEN);
      const { id } = trapped.provoke(ANY_PORT);
      assert.ok(platform.seccomp.answer(trapped.notify, id, value));
      const { result, errno, socket } = trapped.child.answer<BindResult>().value;
      assert.deepEqual([result, errno], [value, 0]);
      const port = trapped.child.ask({ kind: "localPort", descriptor: socket }).value;
      assert.equal(port, 0, "it was not bound");
    });
  }

  for (const code of ["EADDRINUSE", "EACCES", "EPERM"] as const) {
    test(
      `refuse(${code}) makes the call fail with it`,
      { skip, timeout: TEST_TIMEOUT_MS },
      async () => {
        await using platform = await testPlatform();
        await using trapped = await startTrappedChild(platform, BIND_AND_LISTEN);
        const { id } = trapped.provoke(ANY_PORT);
        assert.ok(platform.seccomp.refuse(trapped.notify, id, C[code]));
        const { result, errno } = trapped.child.answer<BindResult>().value;
        assert.deepEqual([result, errno], [-1, C[code]]);
      },
    );
  }

  test("is refused the second time", { skip, timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    await using trapped = await startTrappedChild(platform, BIND_AND_LISTEN);
    const { id } = trapped.provoke(ANY_PORT);
    assert.ok(platform.seccomp.answer(trapped.notify, id, 0));
    trapped.child.answer();
    assert.equal(platform.seccomp.answer(trapped.notify, id, 0), false, "nobody waits any more");
  });
});

describe("Seccomp.replaceDescriptor()", () => {
  for (const closeOnExec of [true, false]) {
    test(`puts ours in place of the caller's, close-on-exec ${closeOnExec}`, {
      skip,
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await using platform = await testPlatform();
      await using trapped = await startTrappedChild(platform, BIND_AND_LISTEN);
      const { child, notify } = trapped;
      const { listener, address } = listenAt(platform, "127.0.0.1");
      const notification = trapped.provoke(ANY_PORT);
      const target = Number(notification.args[0]);
      platform.seccomp.replaceDescriptor(notify, notification.id, {
        source: listener,
        target,
        closeOnExec,
      });
      const ours = proc.descriptorTarget("self", listener.number);
      assert.equal(proc.descriptorTarget(child.pid, target), ours);
      const flags = proc.descriptorFlags(child.pid, target)!;
      assert.equal((flags & C.O_CLOEXEC) !== 0, closeOnExec);
      assert.ok(platform.seccomp.isValid(notify, notification.id), "it still waits");
      platform.seccomp.answer(notify, notification.id, 0);
      const { socket, result } = child.answer<BindResult>().value;
      assert.deepEqual([socket, result], [target, 0]);
      const port = child.ask({ kind: "localPort", descriptor: socket }).value;
      assert.equal(port, address.port, "what the caller has is our listener");
      listener.close();
    });
  }
});

describe("Seccomp.installFilter()", () => {
  test("fails with EBUSY below a filter that has a listener already", {
    skip,
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    await using trapped = await startTrappedChild(platform, BIND_AND_LISTEN);
    const noNewPrivileges = !proc.hasCapability(CAPABILITY.CAP_SYS_ADMIN);
    assert.throws(
      () => trapped.child.ask({ kind: "installFilter", calls: [arch.SYS_bind], noNewPrivileges }),
      /^Error: Cannot seccomp a filter with a listener: EBUSY$/,
    );
  });

  test("needs no_new_privs or CAP_SYS_ADMIN, and sets the one when asked to", {
    skip,
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    await using child = startPlatformChild(platform);
    const install = { kind: "installFilter", calls: [arch.SYS_bind] } as const;
    const flag = () => /^NoNewPrivs:\s+(\d)$/m.exec(child.ask<string>({ kind: "status" }).value);
    if (proc.hasCapability(CAPABILITY.CAP_SYS_ADMIN)) {
      child.ask({ ...install, noNewPrivileges: false }).fds[0]!.close();
      assert.equal(flag()?.[1], "0");
      return;
    }
    assert.throws(() => child.ask({ ...install, noNewPrivileges: false }), /: EACCES$/);
    assert.equal(flag()?.[1], "0");
    child.ask({ ...install, noNewPrivileges: true }).fds[0]!.close();
    assert.equal(flag()?.[1], "1");
  });

  test("hands over a notify descriptor that leaves nothing behind", {
    skip,
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const before = openDescriptors();
    {
      await using trapped = await startTrappedChild(platform, BIND_AND_LISTEN);
      const flag = platform.libc.c.fcntl(trapped.notify.number, C.F_GETFD, 0);
      assert.equal(flag, C.FD_CLOEXEC);
    }
    assert.deepEqual(leakedSince(before), []);
  });

  test("leaves a child without a supervisor with ENOSYS, and alive", {
    skip,
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    await using trapped = await startTrappedChild(platform, BIND_AND_LISTEN);
    trapped.notify.close();
    const { result, errno } = trapped.child.ask<BindResult>(ANY_PORT).value;
    assert.deepEqual([result, errno], [-1, C.ENOSYS]);
  });
});

describe("Seccomp: errors of the supervisor's half", () => {
  test("name the ioctl", { timeout: TEST_TIMEOUT_MS }, async () => {
    await using platform = await testPlatform();
    const { seccomp, descriptors } = platform;
    const { read, write } = descriptors.pipe();
    const ENOTTY = "ENOTTY";
    assert.throws(
      () => seccomp.receive(read),
      systemCallError({
        call: "ioctl(SECCOMP_IOCTL_NOTIF_RECV)",
        code: ENOTTY,
        subject: "a filter",
      }),
    );
    assert.throws(
      () => seccomp.continue(read, 1n),
      systemCallError({
        call: "ioctl(SECCOMP_IOCTL_NOTIF_SEND)",
        code: ENOTTY,
        subject: "a filter",
      }),
    );
    assert.equal(seccomp.isValid(read, 1n), false);
    read.close();
    write.close();
  });
});
