/** /proc/net/tcp of this machine, read in part, and what a watch of ports makes of that. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PortWatch } from "../../src/drain/port_watch.ts";
import { SystemCallError } from "../../src/platform/error.ts";
import { C } from "../../src/platform/libc/constants.ts";
import { tcpRows } from "../../src/platform/network/proc_net.ts";
import type { Platform } from "../../src/platform/platform.ts";
import { TEST_TIMEOUT_MS } from "../support/limits.ts";
import { connectInet, listenAt } from "../support/raw_client.ts";
import { testPlatform } from "../support/test_platform.ts";

const LISTENERS = 100;

describe("tcpRows()", () => {
  test("has all listeners, although it stops at the first row that is none", {
    timeout: TEST_TIMEOUT_MS,
  }, async () => {
    await using platform = await testPlatform();
    const made = Array.from({ length: LISTENERS }, () => listenAt(platform, "127.0.0.1"));
    const clients = made.map(({ address }) => connectInet(platform, address));
    const portsIn = (states: readonly number[]) =>
      new Set(tcpRows(states)?.rows.map(({ localPort }) => localPort));
    const [listening, connected] = [portsIn([C.TCP_LISTEN]), portsIn([C.TCP_ESTABLISHED])];
    for (const { address: { port } } of made) {
      assert.ok(listening.has(port) && connected.has(port), `port ${port}`);
    }
    for (const fd of [...clients, ...made.map(({ listener }) => listener)]) fd.close();
  });

  test("says that there may be more when its time is over", { timeout: TEST_TIMEOUT_MS }, () => {
    let asked = 0;
    const read = tcpRows([C.TCP_ESTABLISHED], () => ++asked > 0);
    assert.equal(read?.isComplete, false);
    assert.ok(asked <= 2, "once in each table");
    assert.equal(tcpRows([C.TCP_ESTABLISHED])?.isComplete, true);
  });
});

test("a watch of ports without netlink: what its time did not suffice for is unknown, not zero", {
  timeout: TEST_TIMEOUT_MS,
}, async () => {
  await using platform = await testPlatform();
  // More than a page of rows, of which any may be the first.
  const made = Array.from({ length: LISTENERS }, () => listenAt(platform, "127.0.0.1"));
  const clients = made.map(({ address }) => connectInet(platform, address));
  const refuse = () => {
    throw new SystemCallError("socket", C.EPERM, "NETLINK_SOCK_DIAG");
  };
  const sockDiag = { listeners: refuse, tcpByLocalPorts: refuse };
  const looks = made.map(({ address: { port } }) => {
    const watch = new PortWatch({ sockDiag, clock: platform.clock } as unknown as Platform, {
      ports: () => [port],
      exceptPorts: [],
      processes: null,
      quietMs: 500,
      countsOpens: false,
      ownOpens: () => 0,
    });
    if (port === made[0]?.address.port) assert.equal(watch.sample(0)?.busy, 1, "with time");
    return watch.sample(0, platform.clock.now() - 1)?.busy ?? null;
  });
  assert.deepEqual(looks.filter((busy) => busy === 0), []);
  assert.ok(looks.includes(null), "a page does not have all of them");
  for (const fd of [...clients, ...made.map(({ listener }) => listener)]) fd.close();
});
