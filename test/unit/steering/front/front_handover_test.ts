/** Members behind a front as they come from another baton, leave, or are shut down by their server, with real sockets. */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import type { Fd } from "../../../../src/platform/fd.ts";
import { C } from "../../../../src/platform/libc/constants.ts";
import { boundSocket } from "../../../../src/steering/bound_socket.ts";
import { PrivateAddresses } from "../../../../src/steering/front/private_addresses.ts";
import type { Group } from "../../../../src/steering/group.ts";
import { Listeners } from "../../../../src/steering/listeners.ts";
import { freePort } from "../../../support/free_port.ts";
import { testPlatform } from "../../../support/test_platform.ts";

const PORT = await freePort();

/** One baton of the service, and what it has noted down before its members changed. */
async function baton() {
  const platform = await testPlatform();
  const { sockets, descriptors } = platform;
  const noted: string[] = [];
  const listeners: Listeners = new Listeners(sockets, null, () => void noted.push(states().join()));
  const fronts = [{ port: null, address: null }];
  const service = `/run/${process.pid}.yaml`;
  const places = new PrivateAddresses(sockets, service, fronts, () => listeners.groups);
  listeners.privateAddresses = places;
  let changes = 0;
  listeners.onFrontChange = () => changes++;
  const asked = { family: "inet", host: "127.0.0.1", port: PORT, scope: 0 } as const;
  const address = places.behindFront({ ...asked, v6only: false, boundInterface: 0 });
  const group = (): Group => listeners.obtain(address!);
  /** @returns what the server has of it */
  const listen = (epoch: number): Fd => {
    const socket = boundSocket(group(), epoch);
    const own = descriptors.duplicate(socket);
    group().takeMember(socket, { epoch, owner: process.pid, backlog: 8, late: false });
    return own;
  };
  const states = (): string[] =>
    listeners.frontEndpoints().flatMap(({ endpoints }) => endpoints)
      .map(({ epoch, state }) => `${epoch} ${state}`);
  const listens = (socket: Fd) => sockets.option(socket, C.SOL_SOCKET, C.SO_ACCEPTCONN) === 1;
  return { platform, listeners, group, listen, states, listens, noted, changes: () => changes };
}

/** An old baton with two generations, the first of which serves, and a new one that has the members, too. */
async function succession(serving: number | null = null) {
  const old = await baton();
  const [first, second] = [old.listen(0), old.listen(1)];
  old.listeners.switchTo(0);
  const next = await baton();
  next.listeners.servingEpoch = serving;
  const records = old.group().records.map(({ record, fd }) => ({
    record,
    fd: next.platform.descriptors.duplicate(fd),
  }));
  next.group().importMembers(records);
  const end = () => {
    for (const fd of [first, second]) fd.close();
    for (const { listeners } of [next, old]) listeners.close();
  };
  return { old, next, first, second, end };
}

describe("members behind a front", () => {
  test("of a generation that has ended are shut down, even if a process has them open", async () => {
    const { listeners, listen, listens, states } = await baton();
    const [first, second] = [listen(0), listen(1)];
    listeners.switchTo(0);
    listeners.switchTo(1);
    assert.deepEqual([first, second].map(listens), [true, true]);
    listeners.retire(0);
    assert.deepEqual([first, second].map(listens), [false, true]);
    assert.deepEqual(states(), ["1 receiving"]);
    listeners.close();
    assert.equal(listens(second), false);
    for (const fd of [first, second]) fd.close();
  });

  test("are noted down before they change", async () => {
    const { listeners, listen, noted } = await baton();
    const sockets = [listen(0), listen(1)];
    listeners.switchTo(0);
    listeners.switchTo(1);
    const before = noted.length;
    assert.ok(before >= 2);
    listeners.retire(0);
    assert.ok(noted.length > before, "before it leaves");
    listeners.close();
    for (const fd of sockets) fd.close();
  });

  for (
    const [serving, expected] of [
      // While the other baton steers, all that it has may have received.
      [null, ["0 receiving", "1 left"]],
      [0, ["0 receiving", "1 candidate"]],
      [2, ["0 receiving", "1 left"]],
    ] as const
  ) {
    test(`that come from a baton, while ${serving ?? "none"} serves here`, async () => {
      const { next, end } = await succession(serving);
      assert.deepEqual(next.states(), expected);
      end();
    });
  }

  test("that another baton has, too, stay where they are until it is gone", async () => {
    const { next, first, second, end } = await succession();
    next.listeners.switchTo(1);
    next.listeners.retire(0);
    assert.equal(next.group().members.length, 2, "both are held");
    assert.deepEqual(next.states(), ["1 receiving"], "and one of them is dialed");
    assert.equal(next.listens(first), true);
    next.group().unshare();
    assert.equal(next.group().members.length, 1);
    assert.deepEqual([first, second].map(next.listens), [false, true]);
    end();
  });

  test("stay open where the other baton ends first, or only lets them go", async () => {
    for (const leaves of ["close", "release"] as const) {
      const { old, next, first, end } = await succession();
      next.group()[leaves]();
      assert.equal(old.listens(first), true, leaves);
      assert.deepEqual(next.states(), []);
      assert.equal(next.group().receivingEpochs.size, 0);
      end();
    }
  });

  test("are held while another baton steers", async () => {
    const { listeners, group, listen, listens } = await baton();
    const sockets = [listen(0), listen(1)];
    listeners.switchTo(0);
    listeners.switchTo(1);
    group().hold = "order";
    listeners.retire(0);
    assert.equal(group().members.length, 2);
    group().thaw();
    assert.equal(group().members.length, 1);
    assert.deepEqual(sockets.map(listens), [false, true]);
    listeners.close();
    for (const fd of sockets) fd.close();
  });

  test("that their server has shut down are lost, and that is said once", async () => {
    const { platform: { sockets }, group, listeners, listen, states, changes } = await baton();
    const [first, second] = [listen(0), listen(0)];
    listeners.switchTo(0);
    const before = changes();
    assert.deepEqual(group().findShutDown(), []);
    assert.equal(changes(), before);
    sockets.stopListening(first);
    assert.equal(group().findShutDown().length, 1);
    assert.equal(changes(), before + 1);
    assert.deepEqual(states(), ["0 receiving"]);
    listeners.close();
    for (const fd of [first, second]) fd.close();
  });

  test("of a group that ends are reported as gone", async () => {
    const { listeners, listen, changes } = await baton();
    const socket = listen(0);
    const before = changes();
    listeners.close();
    assert.ok(changes() > before);
    socket.close();
  });
});
