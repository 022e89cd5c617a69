/** What a proxy has to dial as generations come, serve and go, with real sockets. */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, test } from "node:test";
import { C } from "../../../../src/platform/libc/constants.ts";
import { boundSocket } from "../../../../src/steering/bound_socket.ts";
import { PrivateAddresses } from "../../../../src/steering/front/private_addresses.ts";
import { SocketTable } from "../../../../src/drain/connections.ts";
import { Listeners } from "../../../../src/steering/listeners.ts";
import type { GroupAddress, Member } from "../../../../src/steering/member.ts";
import { freePort } from "../../../support/free_port.ts";
import { testPlatform } from "../../../support/test_platform.ts";

const SERVICE = `/run/${process.pid}/eds.yaml`;

/** `listens 1`, `switch 1`, `retire 1`, `dies 1`, `replaces 1 2`, `share 1 10`: in this order; then what is dialed. */
const STORIES: readonly [what: string, events: readonly string[], dialed: readonly string[]][] = [
  ["the first one", ["listens 0"], ["0 receiving"]],
  ["a candidate", ["listens 0", "switch 0", "listens 1"], ["0 receiving", "1 candidate"]],
  ["after the switch", ["listens 0", "switch 0", "listens 1", "switch 1"], [
    "0 left",
    "1 receiving",
  ]],
  ["after the end of the old one", [
    "listens 0",
    "switch 0",
    "listens 1",
    "switch 1",
    "retire 0",
  ], ["1 receiving"]],
  ["after a roll-back", [
    "listens 0",
    "switch 0",
    "listens 1",
    "switch 1",
    "switch 0",
  ], ["0 receiving", "1 left"]],
  ["two workers each", [
    "listens 0",
    "listens 0",
    "switch 0",
    "listens 1",
    "listens 1",
    "switch 1",
  ], ["0 left", "0 left", "1 receiving", "1 receiving"]],
  ["a canary", ["listens 0", "switch 0", "listens 1", "share 1 10"], [
    "0 receiving",
    "1 left 10 %",
  ]],
  ["a candidate that failed", ["listens 0", "switch 0", "listens 1", "retire 1"], ["0 receiving"]],
  ["one worker of two has died", ["listens 0", "listens 0", "switch 0", "dies 0"], [
    "0 left",
    "0 receiving",
  ]],
  ["the only one has died: clients wait in its queue", ["listens 0", "switch 0", "dies 0"], [
    "0 receiving",
  ]],
  ["its replacement has the queue, at the same address", [
    "listens 0",
    "switch 0",
    "dies 0",
    "replaces 0 1",
  ], ["1 receiving"]],
];

async function scene() {
  const platform = await testPlatform();
  const listeners = new Listeners(platform.sockets);
  const fronts = [{ port: null, address: null }];
  const places = new PrivateAddresses(
    platform.sockets,
    SERVICE,
    fronts,
    () => listeners.groups,
  );
  listeners.privateAddresses = places;
  let changes = 0;
  listeners.onFrontChange = () => changes++;
  const asked: GroupAddress = {
    family: "inet",
    host: "127.0.0.1",
    port: await freePort(),
    scope: 0,
    v6only: false,
    boundInterface: 0,
  };
  const address = places.behindFront(asked);
  assert.ok(address !== null);
  const group = () => listeners.obtain(address);
  const act = (event: string) => {
    const [name, epoch = 0, argument = 0] = event.split(" ").map((word, i) =>
      i === 0 ? word : Number(word)
    ) as [string, number?, number?];
    const [own] = group().membersOf(epoch);
    const owner = process.pid;
    if (name === "listens") {
      group().takeMember(boundSocket(group(), epoch), { epoch, owner, backlog: 8, late: false });
    } else if (name === "switch") listeners.switchTo(epoch);
    else if (name === "retire") listeners.retire(epoch);
    else if (name === "share") listeners.share(epoch, argument);
    else if (name === "dies") group().markUnheld(own!);
    else group().reassign(own!, { epoch: argument, owner, worker: 0 });
  };
  return { platform, listeners, places, asked, group, act, changes: () => changes };
}

describe("what a proxy in front of a service dials", () => {
  for (const [what, events, expected] of STORIES) {
    test(what, async () => {
      const { listeners, act } = await scene();
      for (const event of events) act(event);
      const [fronted, ...more] = listeners.frontEndpoints();
      assert.deepEqual(more, []);
      assert.deepEqual(
        fronted!.endpoints.map(({ epoch, state, percent }) =>
          `${epoch} ${state}${percent === null ? "" : ` ${percent} %`}`
        ),
        expected,
      );
      const addresses = fronted!.endpoints.map(({ address }) => JSON.stringify(address));
      assert.equal(new Set(addresses).size, addresses.length, "each has its own");
      listeners.close();
      assert.deepEqual(listeners.frontEndpoints(), []);
    });
  }

  test("is in the order of generations and workers, not in that of their listeners", async () => {
    const { listeners, group } = await scene();
    for (const [epoch, worker] of [[1, 0], [0, 1], [0, 0], [1, 1]] as const) {
      const member = { epoch, worker, owner: process.pid, backlog: 8, late: false };
      group().takeMember(boundSocket(group(), epoch), member);
    }
    const [fronted] = listeners.frontEndpoints();
    const order = fronted!.endpoints.map(({ epoch, worker }) => `${epoch}.${worker}`);
    assert.deepEqual(order, ["0.0", "0.1", "1.0", "1.1"]);
    listeners.close();
  });

  test("is nothing where no generation is left", async () => {
    const { listeners, act } = await scene();
    for (const event of ["listens 0", "switch 0", "retire 0"]) act(event);
    assert.deepEqual(listeners.frontEndpoints(), []);
    listeners.close();
  });

  test("as if another generation were the one that receives", async () => {
    const { listeners, act } = await scene();
    for (const event of ["listens 0", "switch 0", "listens 1"]) act(event);
    const planned = listeners.frontEndpoints(1).flatMap(({ endpoints }) => endpoints);
    assert.deepEqual(planned.map(({ state }) => state), ["left", "receiving"]);
    listeners.close();
  });

  test("for checks and commands: the first worker, or the one that is asked for", async () => {
    const { listeners, act, group } = await scene();
    for (const event of ["listens 0", "listens 0"]) act(event);
    const [one, other] = group().membersOf(0);
    Object.assign(other!, { worker: 1 });
    const text = ({ place }: typeof one & object) => `${place!.host}:${place!.port}`;
    assert.equal(listeners.dialed(0), text(one!));
    assert.equal(listeners.dialed(0, 1), text(other!));
    assert.equal(listeners.dialed(1), null);
    listeners.close();
  });

  test("a connection there is its generation's by its tag alone", async () => {
    const { platform, listeners, act, group } = await scene();
    for (const event of ["listens 0", "switch 0"]) act(event);
    const [{ place, heldUntilRetired }] = group().membersOf(0) as [Member];
    using client = platform.sockets.stream("inet");
    platform.sockets.connectInet(client, place!);
    using accepted = platform.sockets.accept(heldUntilRetired)!;
    assert.ok(accepted.number >= 0);
    const table = new SocketTable(platform, listeners);
    const processes = () => assert.fail("no process was looked into");
    assert.equal(table.connectionsOf({ epoch: 0, processes }).length, 1);
    listeners.close();
  });

  test("each change is reported, and none while another baton steers", async () => {
    const { act, changes, group, listeners } = await scene();
    act("listens 0");
    const before = changes();
    assert.ok(before > 0);
    act("switch 0");
    assert.ok(changes() > before);
    const [known] = [changes()];
    group().hold = "order and program";
    group().steerTo(group().membersOf(0));
    assert.equal(changes(), known);
    group().hold = "nothing";
    listeners.close();
  });
});

describe("private addresses", () => {
  test("are no one else's, even where every socket may be shared", async () => {
    const { platform: { sockets }, listeners, places, asked } = await scene();
    const made = ["first", "second"].map(() => {
      const socket = sockets.stream("inet");
      for (const name of [C.SO_REUSEADDR, C.SO_REUSEPORT]) {
        sockets.setOption(socket, C.SOL_SOCKET, name, 1);
      }
      places.bind(socket, asked, 3);
      return socket;
    });
    const hosts = made.map((socket) => sockets.localAddress(socket)!.host);
    assert.notEqual(hosts[0], hosts[1]);
    for (const socket of made) {
      assert.equal(sockets.option(socket, C.SOL_SOCKET, C.SO_REUSEPORT), 1, "as the server set it");
      assert.equal(sockets.option(socket, C.SOL_SOCKET, C.SO_REUSEADDR), 1);
      socket.close();
    }
    listeners.close();
  });

  test("of a socket for IPv6 alone are of IPv4, too", async () => {
    const { platform: { sockets }, places, asked } = await scene();
    using socket = sockets.stream("inet6");
    sockets.setOption(socket, C.IPPROTO_IPV6, C.IPV6_V6ONLY, 1);
    places.bind(socket, { ...asked, family: "inet6", host: "::1", v6only: true }, 0);
    assert.match(sockets.localAddress(socket)!.host, /^::ffff:127\./);
  });

  test("have another port where a program listens at this one at all addresses", async () => {
    const { platform: { sockets }, places, asked } = await scene();
    using other = sockets.stream("inet");
    sockets.setOption(other, C.SOL_SOCKET, C.SO_REUSEADDR, 1);
    sockets.bindInet(other, { ...asked, host: "0.0.0.0" });
    sockets.listen(other, 1);
    using socket = places.boundSocket(asked, 0);
    const { port } = sockets.localAddress(socket)!;
    assert.ok(port > 0 && port !== asked.port);
  });

  test("a second listener of a service is behind the front only if it has the port", async () => {
    const { places, asked } = await scene();
    assert.equal(places.behindFront({ ...asked, port: asked.port + 1 }), null);
    assert.equal(places.behindFront({ ...asked, protocol: "udp" }), null);
    assert.notEqual(places.behindFront({ ...asked, host: "0.0.0.0" }), null);
  });
});
