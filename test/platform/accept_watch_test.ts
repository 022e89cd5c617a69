/** Who accepts from a socket, as the kernel tells it: a process that waits in each of the ways there are. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as proc from "../../src/platform/process/proc.ts";
import type { Member } from "../../src/steering/member.ts";
import { acceptorOf } from "../../src/process/accept_watch.ts";
import { listenerUse } from "../../src/process/listener_use.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { type PlatformChild, startPlatformChild } from "../support/platform_parent.ts";
import { connectInet } from "../support/raw_client.ts";
import { testPlatform } from "../support/test_platform.ts";
import { waitUntil } from "../support/wait_until.ts";

const { arch } = (await testPlatform()).libc;
const WAYS = [
  ["accept", arch.SYS_accept4],
  ["poll", arch.SYS_ppoll],
  ["ppoll", arch.SYS_ppoll],
  ["select", arch.SYS_select],
  ["select(3)", arch.SYS_pselect6],
  ["epoll", arch.SYS_ppoll],
] as const;

/** A listener of the child's own, as its number there, its port, and a member for it. */
function listenIn(child: PlatformChild) {
  const bind = { kind: "bind", address: { host: "127.0.0.1", port: 0 } } as const;
  const { socket: descriptor } = child.ask<{ socket: number }>(bind).value;
  child.ask({ kind: "listen", descriptor, backlog: 4 });
  const port = child.ask<number>({ kind: "localPort", descriptor }).value;
  const target = proc.descriptorTarget(child.pid, descriptor) ?? "";
  const member = { inode: Number(/\d+/.exec(target)?.[0]) } as Member;
  return { descriptor, port, member };
}

describe("acceptorOf()", () => {
  for (const [how, call] of WAYS) {
    test(`finds a process that waits in ${how}`, {
      skip: call < 0 && "this architecture has no such system call",
      timeout: TEST_TIMEOUT_MS,
    }, async () => {
      await using platform = await testPlatform();
      await using child = startPlatformChild(platform);
      const other = listenIn(child);
      const { descriptor, port, member } = listenIn(child);
      const find = (wanted: Member) =>
        acceptorOf(platform, [wanted], [platform.runtime.pid, child.pid]);
      assert.equal(find(member), null, "it listens, and does not wait yet");
      const use = (wanted: Member, pid = child.pid) => listenerUse(platform, [wanted], [pid]);
      assert.equal(use(member), "held");
      assert.equal(use(member, platform.runtime.pid), "unheld");
      child.send({ kind: "waitForConnection", descriptor, how });
      assert.equal(
        await waitUntil(() => find(member), { what: `it waits in ${how}` }),
        child.pid,
      );
      assert.equal(find(other.member), null, "another socket of the same process");
      await waitUntil(() => use(member) === "resting", { what: "nothing else happens in it" });
      assert.equal(use(other.member), "held");
      const ofBoth = listenerUse(platform, [other.member, member], [child.pid]);
      assert.equal(ofBoth, "resting", "what is known most");
      using client = connectInet(platform, { family: "inet", host: "127.0.0.1", port, scope: 0 });
      assert.ok(client.isOpen && child.answer<number>().value > 0, "it was woken");
      assert.equal(find(member), null, "it waits no more");
    });
  }

  test("finds nobody among no processes, and among those that are gone", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const member = { inode: 12345 } as Member;
    assert.equal(acceptorOf(platform, [member], []), null);
    assert.equal(acceptorOf(platform, [member], [2 ** 30]), null);
  });
});
