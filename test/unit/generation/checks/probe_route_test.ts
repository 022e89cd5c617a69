/** Where a check goes: to which listener, from which address, and when there is no way. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { formatAddress, type InetAddress } from "../../../../src/platform/network/address.ts";
import type { Fd } from "../../../../src/platform/fd.ts";
import { SystemCallError } from "../../../../src/platform/error.ts";
import { C } from "../../../../src/platform/libc/constants.ts";
import type { Platform } from "../../../../src/platform/platform.ts";
import type { Group } from "../../../../src/steering/group.ts";
import { Mutex } from "../../../../src/steering/mutex.ts";
import { routeTo } from "../../../../src/generation/checks/probe_route.ts";
import { FakeListeners } from "../../../support/fake_listeners.ts";

const OLD = 0;
const NEW = 1;

interface FakeGroup {
  readonly host: string;
  readonly port: number;
  readonly v6only?: boolean;
  /** Epochs that have a member; the first one gets the connections. */
  readonly members: readonly number[];
  readonly isShared?: boolean;
  readonly hold?: Group["hold"];
}

interface Steered {
  readonly host: string;
  readonly port: number | null;
  readonly address: string;
}

class World {
  readonly steered: Steered[] = [];
  readonly groups: Group[];

  constructor(groups: readonly FakeGroup[]) {
    this.groups = groups.map((fake) => this.#group(fake));
  }

  #group({ host, port, v6only = false, members, isShared = false, hold = "nothing" }: FakeGroup) {
    const family = host.includes(":") ? "inet6" : "inet";
    const all = members.map((epoch, i) => ({
      epoch,
      dead: false,
      late: false,
      receiving: i === 0,
    }));
    const membersOf = (epoch: number) => all.filter((member) => member.epoch === epoch);
    const inet = { family, host, port, v6only, scope: 0, boundInterface: 0 };
    return {
      text: formatAddress({ ...inet, family }),
      tcp: inet,
      members: all,
      membersOf,
      usableMembers: membersOf,
      isReceiving: ({ receiving }: { receiving: boolean }) => receiving,
      isShared,
      hold,
      network: null,
      front: null,
      probes: new Mutex(),
      steerCandidates: (
        { probe }: { probe: { port: number; address: Uint8Array } | null },
      ) =>
        this.steered.push({ host, port: probe?.port ?? null, address: `${probe?.address ?? ""}` }),
    } as unknown as Group;
  }

  way(place: number | null, epoch = NEW, platform = LOOPBACK_HAS_NO_IPV6) {
    const listeners = new FakeListeners(this.groups);
    return routeTo(platform, listeners, { epoch, worker: 0, place });
  }
}

/** Its sockets cannot be made or bound: only asked about for a dual-stack listener. */
function platformWhere(failing: "stream" | "bindInet", errno: number): Platform {
  const fail = () => {
    throw new SystemCallError(failing, errno, "[::1]:0");
  };
  const stream = () => ({ [Symbol.dispose]: () => {} });
  return { sockets: { stream, bindInet: () => {}, [failing]: fail } } as unknown as Platform;
}

const SOCKET = {} as Fd;
/** Where the sockets of checks were bound, and where they were connected. */
const ends: string[] = [];
const WORKING = {
  sockets: {
    bindInet: (_: Fd, address: InetAddress) => ends.push(formatAddress(address)),
    localAddress: () => ({ port: 4711 }),
    startConnecting: (_: Fd, address: InetAddress) => ends.push(formatAddress(address)),
  },
} as unknown as Platform;

const EMFILE = 24;
const LOOPBACK_HAS_NO_IPV6 = platformWhere("bindInet", C.EADDRNOTAVAIL);

describe("routeTo()", () => {
  const both = [OLD, NEW];
  const targets: [string, FakeGroup, string][] = [
    ["an address of its own", { host: "127.0.0.5", port: 80, members: both }, "127.0.0.5:80"],
    ["all of IPv4", { host: "0.0.0.0", port: 80, members: both }, "127.0.0.1:80"],
    ["all of IPv6 alone", { host: "::", port: 80, v6only: true, members: both }, "[::1]:80"],
    ["both, where loopback has no IPv6", { host: "::", port: 80, members: both }, "127.0.0.1:80"],
    ["IPv4 in IPv6", { host: "::ffff:127.0.0.3", port: 80, members: both }, "127.0.0.3:80"],
    ["all of IPv4 in IPv6", { host: "::ffff:0.0.0.0", port: 80, members: both }, "127.0.0.1:80"],
    ["IPv6", { host: "fd00::1", port: 80, members: both }, "[fd00::1]:80"],
  ];
  for (const [name, group, target] of targets) {
    test(`${name}: to ${target}, from there`, () => {
      assert.equal(new World([group]).way(null)?.text, target);
    });
  }

  for (const [failing, errno] of [["stream", EMFILE], ["bindInet", C.EADDRINUSE]] as const) {
    test(`both, where ${failing} fails for want of something: the check will say so`, () => {
      const world = new World([{ host: "::", port: 80, members: both }]);
      const way = world.way(null, NEW, platformWhere(failing, errno));
      assert.equal(way?.text, "[::1]:80");
    });
  }

  test("leads the port to the generation, and lets go of it", () => {
    const world = new World([{ host: "0.0.0.0", port: 80, members: both }]);
    const way = world.way(null, NEW, WORKING)!;
    ends.length = 0;
    way.aim(SOCKET);
    way.connect(SOCKET);
    way.release();
    assert.deepEqual(ends, ["127.0.0.1:0", "127.0.0.1:80"], "from there, to there");
    assert.deepEqual(world.steered, [
      { host: "0.0.0.0", port: 4711, address: "127,0,0,1" },
      { host: "0.0.0.0", port: null, address: "" },
    ]);
  });

  test("a listener at exactly that address gets the connection, and is what must be steered", () => {
    const world = new World([
      { host: "0.0.0.0", port: 80, members: both },
      { host: "127.0.0.1", port: 80, members: both },
    ]);
    world.way(null, NEW, WORKING)?.aim(SOCKET);
    assert.deepEqual(world.steered.map(({ host }) => host), ["127.0.0.1"]);
  });

  test("of several listeners the one with the port, or the first that gets connections", () => {
    const world = new World([
      { host: "127.0.0.1", port: 9229, members: [] },
      { host: "127.0.0.1", port: 80, members: both },
      { host: "127.0.0.1", port: 81, members: both },
    ]);
    assert.equal(world.way(null)?.text, "127.0.0.1:80");
    assert.equal(world.way(81)?.text, "127.0.0.1:81");
    assert.equal(world.way(82), null);
  });

  test("no way to one that does not listen there yet", () => {
    const world = new World([{ host: "127.0.0.1", port: 80, members: [OLD] }]);
    assert.equal(world.way(null), null);
    assert.equal(world.way(80), null);
    assert.notEqual(world.way(80, OLD), null);
  });

  test("not even when it has stopped to listen since: an error, before the old one is asked", () => {
    const members = [...both];
    const world = new World([{ host: "127.0.0.1", port: 80, members }]);
    const way = world.way(null, NEW, WORKING);
    world.groups[0]!.usableMembers = () => [];
    assert.throws(() => way?.aim(SOCKET), /does not listen at 127\.0\.0\.1:80 any more/);
    assert.deepEqual(world.steered, []);
    way?.release();
  });

  test("a shared socket is not steered, and who answers must say so if there are several", () => {
    const shared = new World([{ host: "127.0.0.1", port: 80, members: both, isShared: true }]);
    shared.way(null, NEW, WORKING)?.aim(SOCKET);
    assert.deepEqual(shared.steered, []);
    assert.equal(shared.way(null)?.mustIdentify, true);
    const NO_GENERATION = -1;
    const alone = [{ host: "127.0.0.1", port: 80, members: [NEW, NO_GENERATION], isShared: true }];
    assert.equal(new World(alone).way(null)?.mustIdentify, false);
  });

  test("where another baton steers no check gets through", () => {
    const world = (hold: Group["hold"]) =>
      new World([{ host: "127.0.0.1", port: 80, members: both, hold }]);
    assert.equal(world("order and program").way(null)?.isSteeredElsewhere, true);
    assert.equal(world("order").way(null)?.isSteeredElsewhere, false);
    assert.throws(
      () => world("order and program").way(null, NEW, WORKING)?.aim(SOCKET),
      /another baton steers/,
    );
  });
});
